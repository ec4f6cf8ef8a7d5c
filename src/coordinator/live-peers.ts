/**
 * The nodes that are connected, as the registry and the other nodes are told of them: whoever can
 * be reached is registered, and the list of the live ones goes to all when it changes, and every
 * few seconds.
 */
import { monotonicMs } from '../base/clock.ts'
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/logger.ts'
import { RepeatedLog } from '../base/repeated-log.ts'
import { limits } from '../limits.ts'
import type { AwayPeer, PeerReport, PeerStatus } from '../tiers/peers/peer-status.ts'
import type { PeerRegistry } from './peer-registry.ts'
import type { Session } from './session.ts'

export class LivePeers {
  readonly #registry: PeerRegistry
  readonly #failures: RepeatedLog
  /** By id. */
  readonly #sessions: ReadonlyMap<string, Session>
  #toldMs = 0

  constructor(registry: PeerRegistry, logger: Logger, sessions: ReadonlyMap<string, Session>) {
    this.#registry = registry
    this.#failures = new RepeatedLog(logger)
    this.#sessions = sessions
  }

  /** Once others can reach it. */
  register({ peer, isCurrent }: Session): void {
    if (!isCurrent || peer.url === '') return
    try {
      this.#registry.register(peer)
    } catch (error) {
      this.#failures.warn(peer.id, `${peer.id} cannot be listed: ${describe(error)}`)
    }
    this.tell()
  }

  report({ peer }: Session, report: Partial<PeerReport>): void {
    if (this.#registry.get(peer.id) === undefined) return
    try {
      this.#registry.status(peer.id, report)
    } catch (error) {
      this.#failures.warn(peer.id, `${peer.id} cannot be listed: ${describe(error)}`)
    }
  }

  tell(): void {
    this.#toldMs = monotonicMs()
    const [peers, away] = [this.#list(), this.#away()]
    for (const session of this.#sessions.values()) session.send({ kind: 'peers', peers, away })
  }

  tellIfDue(): void {
    if (monotonicMs() - this.#toldMs > limits.peerReportMs) this.tell()
  }

  /** Those that the registry still lists, and those that it has dropped. */
  #away(): AwayPeer[] {
    const silent = this.#registry.list().filter(({ id }) => !this.#sessions.has(id))
    const sinceOf = (ms: number): string => new Date(Date.now() - ms).toISOString()
    return [
      ...this.#registry.away(),
      ...silent.map(({ id, url, silentMs }) => ({ id, url, since: sinceOf(silentMs) })),
    ]
  }

  #list(): PeerStatus[] {
    return this.#registry.list().filter(({ id }) => this.#sessions.get(id)?.isCurrent)
  }
}
