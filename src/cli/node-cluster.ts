/**
 * What a node has beside itself in a cluster: its link to the coordinator, the other nodes as
 * sources of chunks, and the view of both that it shows.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loggerOf } from '../base/logger.ts'
import { NodeLink } from '../coordinator/node-link.ts'
import type { ClusterView } from '../http/cluster-view.ts'
import { limits } from '../limits.ts'
import { PeerClient } from '../tiers/peers/peer-client.ts'
import type { PeerReport } from '../tiers/peers/peer-status.ts'
import { PeersTier } from '../tiers/peers/peers-tier.ts'
import { NVME } from '../volume/directory-lock.ts'
import { claimFolder } from '../volume/own-folder.ts'
import { packageVersion } from '../base/package-version.ts'
import type { Daemon } from './daemon.ts'
import type { KeyedOptions } from './node-options.ts'

export class NodeCluster {
  readonly link: NodeLink
  readonly peers: PeersTier
  readonly view: ClusterView
  #reports: NodeJS.Timeout | undefined

  constructor(options: KeyedOptions, addresses: readonly string[], { mountId, restarts }: Daemon) {
    const { apiKey, nvmeDir, nvmeCapacityBytes: capacityBytes } = options
    const self = options.peerId ?? keptPeerId(nvmeDir)
    const logger = loggerOf('CLIENT')
    const link = new NodeLink({
      addresses,
      apiKey,
      peer: { id: self, url: '', capacityBytes, version: packageVersion() },
      session: { token: mountId, generation: restarts },
      snapshotFile: join(nvmeDir, 'volume.copy'),
      logger,
    })
    const others = (): { id: string; url: string }[] => {
      return link.peers.filter(({ id, state }) => id !== self && state !== 'silent')
    }
    this.link = link
    this.peers = new PeersTier({
      directory: { self, peers: others },
      client: new PeerClient(apiKey),
      logger: loggerOf('CACHE'),
    })
    this.view = {
      self,
      peers: () => [...link.peers],
      away: () => [...link.away],
      get coordinator() {
        return { url: link.url, connected: link.isConnected, since: link.since }
      },
    }
  }

  /** Others can reach this node from now on; it tells how it is every few seconds. */
  announce(url: string, report: () => PeerReport): void {
    this.link.announce(url)
    this.#reports = setInterval(() => this.link.status(report()), limits.peerReportMs)
    this.#reports.unref()
  }

  stop(): void {
    clearInterval(this.#reports)
  }
}

/** The node's own id: made once, and kept beside what it has cached. */
function keptPeerId(nvmeDir: string): string {
  const path = join(nvmeDir, 'peer-id')
  claimFolder(nvmeDir, NVME)
  try {
    writeFileSync(path, `node-${randomBytes(6).toString('hex')}\n`, {
      flag: 'wx',
      mode: 0o600,
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(path, 'utf8').trim()
}
