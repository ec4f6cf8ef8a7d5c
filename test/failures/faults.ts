/**
 * Faults of one machine of an IsolatedCluster, the errors that programs may get meanwhile (as
 * stated in docs/SEMANTICS.md), and the duration from which a fault has an effect.
 */
import { limits } from '../../src/limits.ts'
import type { IsolatedCluster } from './isolated-cluster.ts'

export interface Fault {
  name: string
  begin: (cluster: IsolatedCluster, at: number) => void | Promise<void>
  end: (cluster: IsolatedCluster, at: number) => void | Promise<void>
  /** Time between `begin` and `end`, ms. */
  ms: number
  /** Errors that programs on any node may get until recovery: `read EIO` and the like. */
  errors: readonly string[]
  /** As `errors`, on the node with the fault. */
  errorsThere?: readonly string[]
}

/** Longer than the metadata lease of a node. */
const BEYOND_LEASE_MS = limits.linkTtlMs + 4_000
const AWAY_ERRORS = ['read ETIMEDOUT', 'write ETIMEDOUT', 'write ESTALE']

function cut(
  network: string,
  ms: number,
  rest: Pick<Fault, 'name' | 'errors' | 'errorsThere'>,
): Fault {
  return {
    ...rest,
    ms,
    begin: (cluster, at) => cluster.network.cut(`n${at}`, network),
    end: (cluster, at) => cluster.network.heal(`n${at}`, network),
  }
}

/**
 * Data that only this node has is unreadable meanwhile; without its mount its programs have no
 * files.
 */
const killed: Fault = {
  name: 'a node is killed',
  begin: (cluster, at) => cluster.nodes[at]!.kill(),
  end: (cluster, at) => cluster.restart(at),
  ms: BEYOND_LEASE_MS,
  errors: ['read EIO'],
  errorsThere: ['ENOTCONN', 'ECONNABORTED', 'ENOENT', 'EIO'].flatMap((code) => [
    `read ${code}`,
    `write ${code}`,
  ]),
}

const paused: Fault = {
  name: 'a daemon is paused beyond its lease',
  begin: ({ nodes }, at) => void process.kill(nodes[at]!.daemon, 'SIGSTOP'),
  end: ({ nodes }, at) => void process.kill(nodes[at]!.daemon, 'SIGCONT'),
  ms: BEYOND_LEASE_MS,
  errors: ['read EIO'],
  errorsThere: AWAY_ERRORS,
}

/**
 * Files that it has open may have been replaced without its notice, and their data may no longer
 * exist.
 */
const cutFromCoordinator = cut('co', BEYOND_LEASE_MS, {
  name: 'a node is cut from the coordinator',
  errors: [],
  errorsThere: ['read EIO', ...AWAY_ERRORS],
})
const cutFromPeers = cut('pe', 10_000, {
  name: 'a node is cut from the other nodes',
  errors: ['read EIO'],
})
const cutFromCloud = cut('cl', 10_000, { name: 'a node is cut from the cloud', errors: [] })

/** Faults of one node. */
export const NODE_FAULTS = [killed, paused, cutFromCoordinator, cutFromPeers, cutFromCloud]

export const coordinatorCut: Fault = {
  name: 'the coordinator is cut from all nodes',
  begin: ({ network }) => network.cut('c', 'co'),
  end: ({ network }) => network.heal('c', 'co'),
  ms: BEYOND_LEASE_MS,
  errors: AWAY_ERRORS,
}

export const coordinatorKilled: Fault = {
  name: 'the coordinator is killed, and started again',
  begin: (cluster) => cluster.killCoordinator(),
  end: (cluster) => cluster.startCoordinator(),
  ms: 3_000,
  errors: [],
}
