/**
 * The parts of a node that exist only in a cluster: its link to the coordinator, the other nodes as
 * sources of chunks, and the view of both that the API shows.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe } from '../base/fs-error.ts'
import { loggerOf } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { NodeLink } from '../coordinator/link/node-link.ts'
import type { ClusterView } from '../http/coordinator/cluster-view.ts'
import { tiersLimits } from '../tiers/limits.ts'
import { ClusterClock } from '../tiers/peers/cluster-clock.ts'
import { NodeTokens, TokenCheck } from '../tiers/peers/node-token.ts'
import { PeerClient } from '../tiers/peers/peer-client.ts'
import type { PeerReport } from '../tiers/peers/peer-status.ts'
import { PeersTier } from '../tiers/peers/peers-tier.ts'
import { NVME } from '../volume/folder/directory-lock.ts'
import { claimFolder } from '../volume/folder/own-folder.ts'
import { packageVersion } from '../base/package-version.ts'
import type { Daemon } from '../daemon/daemon.ts'
import { keptId } from './kept-id.ts'
import { keptNodeKey } from './node-key.ts'
import type { KeyedOptions } from '../options/node-options.ts'

export class NodeCluster {
  readonly link: NodeLink
  readonly peers: PeersTier
  readonly view: ClusterView
  readonly #clock: ClusterClock
  readonly #failures = new RepeatedLog(loggerOf('CLIENT'))
  #reports: NodeJS.Timeout | undefined

  constructor(options: KeyedOptions, addresses: readonly string[], daemon: Daemon) {
    const { mountId, restarts, replace: restart } = daemon
    const { nvmeDir, nvmeCapacityBytes: capacityBytes, joinToken } = options
    const apiKey = options.hasClusterKey ? options.apiKey : undefined
    claimFolder(nvmeDir, NVME)
    const self = options.peerId ?? keptId(join(nvmeDir, 'peer-id'), newId)
    const logger = loggerOf('CLIENT')
    const key = keptNodeKey(nvmeDir)
    const clock = new ClusterClock()
    const tokens = new NodeTokens(self, key, clock)
    const link = new NodeLink({
      ...{ addresses, apiKey, joinToken, key, tokens, clock },
      peer: { id: self, url: '', capacityBytes, version: packageVersion() },
      session: { token: mountId, generation: restarts },
      snapshotFile: join(nvmeDir, 'volume.copy'),
      restart,
      logger,
    })
    const others = (): { id: string; url: string }[] => {
      return link.peers.filter(({ id, state }) => id !== self && state !== 'silent')
    }
    this.link = link
    this.peers = new PeersTier({
      directory: { self, peers: others },
      client: new PeerClient(tokens),
      logger: loggerOf('CACHE'),
    })
    this.#clock = clock
    this.view = {
      self,
      peers: () => [...link.peers],
      away: () => [...link.away],
      get coordinator() {
        return {
          url: link.url,
          connected: link.isConnected,
          since: link.since,
          refusal: link.refusal,
        }
      },
    }
  }

  /** Announces the URL at which peers reach this node, and starts its periodic status reports. */
  announce(url: string, report: () => PeerReport): void {
    this.link.announce(url)
    this.#reports = setInterval(() => this.#report(report), tiersLimits.peerReportMs)
    this.#reports.unref()
  }

  /** A node whose database cannot be read goes on, and is silent for the others. */
  #report(report: () => PeerReport): void {
    try {
      this.link.status(report())
    } catch (error) {
      this.#failures.warn('report', `no report to the coordinator: ${describe(error)}`)
    }
  }

  /**
   * Checks the tokens of other nodes. `keyOf`: public key of a node from the copy of the metadata.
   */
  checkOf(keyOf: (id: string) => string | undefined): TokenCheck {
    return new TokenCheck({ self: this.view.self, clock: this.#clock, keyOf })
  }

  stop(): void {
    clearInterval(this.#reports)
  }
}

function newId(): string {
  return `node-${randomBytes(6).toString('hex')}`
}
