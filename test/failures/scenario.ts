/**
 * One failure while programs on all nodes write and read: each node writes a file of its own and
 * one that all share, and reads what others write. Afterwards the history of all of it is that of
 * one register per file, no system call took longer than it may, every node works again, and all
 * nodes have the same bytes, also when these come from the cloud.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { Random } from '../fixtures/random.ts'
import { limits } from '../../src/limits.ts'
import { Actors } from './actors.ts'
import { MIXED, describe, torn, violations, type Operation } from './history.ts'
import { IsolatedCluster, NODES } from './isolated-cluster.ts'
import { contentOf, valueOf } from './version.ts'

const BEFORE_MS = 2_000
const AFTER_MS = 3_000
/** For all nodes to work again; the time that they take is printed. */
const RECOVERY_MS = 60_000
/** What a busy machine may add to any call. */
const BUSY_MS = 10_000
const SHARED = 'shared'
const FILES = [SHARED, ...NODES.map((node) => `own-${node}`)]
const FIRST = 'first'

export interface Failure {
  begin: (cluster: IsolatedCluster) => void
  end: (cluster: IsolatedCluster) => void
  /** Between the two. */
  ms: number
  /** Longest system call, besides what a busy machine adds. */
  callMs: number
  /** What programs may get until all is well again: `read EIO` and the like. */
  errors: readonly string[]
}

/** A call that waits for the coordinator: the time of trust may pass before it begins to. */
export const CALL_MS = limits.linkTtlMs + limits.linkOperationMs

/** What docs/SEMANTICS.md says of a node and a coordinator that do not reach each other. */
export const AWAY_ERRORS = ['read ETIMEDOUT', 'write ETIMEDOUT', 'write ESTALE']

export async function survive(t: TestContext, failure: Failure): Promise<void> {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  await using cluster = await IsolatedCluster.start()
  try {
    await use(t, failure, cluster, random)
  } catch (error) {
    process.stderr.write(`${cluster.log}\n`)
    throw error
  }
}

async function use(
  t: TestContext,
  failure: Failure,
  cluster: IsolatedCluster,
  random: Random,
): Promise<void> {
  for (const file of FILES) writeFileSync(join(cluster.mount(0), file), contentOf(FIRST))
  await using actors = startActors(cluster, random)
  await delay(BEFORE_MS)
  const began = now()
  failure.begin(cluster)
  try {
    await delay(failure.ms)
  } finally {
    failure.end(cluster)
  }
  const ended = now()
  const recovered = await recovery(actors, ended)
  await delay(AFTER_MS)
  await actors.stop()
  t.diagnostic(summary(actors.history, began, ended))
  t.diagnostic(`recovered ${Math.round(recovered)} ms after the failure ended`)
  const history = [...firstWrites(), ...actors.history]
  for (const read of torn(history)) t.diagnostic(`torn: ${describe(read)}`)
  check(failure, history, ended + recovered)
  await compare(cluster, history)
}

function firstWrites(): Operation[] {
  const always = { start: -Infinity, end: -Infinity, slowest: { call: '', ms: 0 } }
  return FILES.map((file) => ({ node: 0, kind: 'write', file, value: FIRST, ...always }))
}

function startActors(cluster: IsolatedCluster, random: Random): Actors {
  const actors = new Actors()
  for (const node of NODES) {
    const [own, mount] = [`own-${node}`, cluster.mount(node)]
    actors.add('write', node, random, mount, [SHARED, own])
    // Two, as a reader of what this node writes waits where its writer does.
    actors.add('read', node, random, mount, [SHARED])
    const others = FILES.filter((file) => file !== SHARED && file !== own)
    actors.add('read', node, random, mount, others)
  }
  return actors
}

/** Until each node has written and read, both begun after the failure ended. */
async function recovery({ history }: Actors, ended: number): Promise<number> {
  const until = ended + RECOVERY_MS
  const wanted = NODES.flatMap((node) => [
    ...(['read', 'write'] as const).map((kind) => ({ node, kind })),
  ])
  for (;;) {
    const first = wanted.map(({ node, kind }) => {
      return history.find((operation) => {
        const isIts = operation.node === node && operation.kind === kind
        return isIts && operation.error === undefined && operation.start >= ended
      })
    })
    if (first.every((operation) => operation !== undefined)) {
      return Math.max(...first.map(({ end }) => end)) - ended
    }
    assert.ok(now() < until, `not all nodes work ${RECOVERY_MS} ms after the failure`)
    await delay(100)
  }
}

function check(failure: Failure, history: readonly Operation[], wellAt: number): void {
  const { callMs, errors } = failure
  assert.deepEqual(violations(history), [])
  for (const operation of history) {
    const { slowest, error, kind, start } = operation
    assert.ok(slowest.ms < callMs + BUSY_MS, `${describe(operation)}: ${JSON.stringify(slowest)}`)
    if (error === undefined) continue
    assert.ok(errors.includes(`${kind} ${error}`), describe(operation))
    assert.ok(start < wellAt, `all was well before ${describe(operation)}`)
  }
}

/** All nodes have the same, whole, of the last writes; and the cloud has it. */
async function compare(cluster: IsolatedCluster, history: readonly Operation[]): Promise<void> {
  for (const node of cluster.nodes) await node.act('wait', '/')
  const before = NODES.map((node) => sums(cluster, node))
  for (const node of NODES) assert.deepEqual(before[node], before[0], `n${node}`)
  const at = now()
  const last = NODES.flatMap((node) => FILES.map((file) => finalRead(cluster, node, file, at)))
  assert.deepEqual(violations([...history, ...last]), [])
  for (const node of cluster.nodes) await node.act('evict', '/')
  for (const node of NODES) assert.deepEqual(sums(cluster, node), before[0], `n${node}, evicted`)
}

function finalRead(cluster: IsolatedCluster, node: number, file: string, at: number): Operation {
  const value = valueOf(readFileSync(join(cluster.mount(node), file)))
  assert.ok(!value.startsWith(MIXED), `${file} on n${node} is ${value}`)
  const slowest = { call: '', ms: 0 }
  return { node, kind: 'read', file, value, start: at, end: now(), slowest }
}

function sums(cluster: IsolatedCluster, node: number): Record<string, string> {
  const entries = FILES.map((file): [string, string] => {
    const content = readFileSync(join(cluster.mount(node), file))
    return [file, createHash('sha256').update(content).digest('hex')]
  })
  return Object.fromEntries(entries)
}

function summary(history: readonly Operation[], began: number, ended: number): string {
  const during = history.filter(({ start, end }) => end > began && start < ended)
  const failed = history.filter(({ error }) => error !== undefined)
  const codes = [...new Set(failed.map(({ kind, error }) => `${kind} ${error}`))]
  const { ms, call } = history.reduce((a, b) => (a.slowest.ms > b.slowest.ms ? a : b)).slowest
  const counts = `${history.length} operations, ${during.length} during the failure`
  const ends = `${failed.length} failed (${codes.join(', ')})`
  return `${counts}, ${ends}, longest call: ${call}, ${Math.round(ms)} ms`
}

/** The clock of the programs. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
