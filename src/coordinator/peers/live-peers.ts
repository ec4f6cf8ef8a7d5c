/**
 * Connects the sessions of nodes with the registry, and informs all nodes about each other. A node
 * that others can reach is registered. A node that connects gets the full list, and from then on
 * changes (a few times a second at most) and the reports of all (every few seconds at most).
 *
 * Invariant: the work for nodes that come or leave grows with their number and with the number of
 * the nodes that are informed, not with both times the length of the list.
 */
import { monotonicMs } from '../../base/clock.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { coordinatorLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import type { AwayPeer, PeerReport, PeerStatus } from '../../tiers/peers/peer-status.ts'
import { toWire } from '../link/link-protocol.ts'
import type { PeerRegistry } from './peer-registry.ts'
import type { Session } from '../session.ts'

export class LivePeers {
  readonly #registry: PeerRegistry
  readonly #failures: RepeatedLog
  /** By id. */
  readonly #sessions: ReadonlyMap<string, Session>
  readonly #unlisten: () => void
  /** Ids of nodes whose change was not sent to all others yet. */
  #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #toldMs = -Infinity
  #wholeMs = 0

  constructor(registry: PeerRegistry, logger: Logger, sessions: ReadonlyMap<string, Session>) {
    this.#registry = registry
    this.#failures = new RepeatedLog(logger)
    this.#sessions = sessions
    this.#unlisten = registry.onChange(({ peer }) => this.changed(peer.id))
  }

  /** Registers a node once others can reach it. */
  register({ peer, isCurrent }: Session): void {
    if (!isCurrent || peer.url === '') return
    try {
      this.#registry.register(peer, true)
    } catch (error) {
      this.#failures.warn(peer.id, `${peer.id} cannot be listed: ${describe(error)}`)
    }
    this.changed(peer.id)
  }

  report({ peer }: Session, report: Partial<PeerReport>): void {
    if (this.#registry.get(peer.id) === undefined) return
    try {
      this.#registry.status(peer.id, report, true)
    } catch (error) {
      this.#failures.warn(peer.id, `${peer.id} cannot be listed: ${describe(error)}`)
    }
  }

  left({ peer }: Session): void {
    this.#registry.unlink(peer.id)
    this.changed(peer.id)
  }

  /** Schedules a message to the others; changes until then are sent with it. */
  changed(id: string): void {
    this.#changed.add(id)
    this.#soon()
  }

  /** Schedules the full list for a node that has just connected. */
  greet(): void {
    this.#soon()
  }

  /** Schedules the reports of all nodes; the more nodes there are, the less often. */
  tellIfDue(): void {
    const shares = Math.max(1, this.#sessions.size / coordinatorLimits.peersToldOften)
    if (monotonicMs() - this.#wholeMs <= tiersLimits.peerReportMs * shares) return
    this.#wholeMs = monotonicMs()
    for (const { id } of this.#list()) this.#changed.add(id)
    this.#soon()
  }

  close(): void {
    for (const id of this.#sessions.keys()) this.#registry.unlink(id)
    clearTimeout(this.#timer)
    this.#unlisten()
  }

  #soon(): void {
    const waitMs = Math.max(0, this.#toldMs + coordinatorLimits.peersTellMs - monotonicMs())
    this.#timer ??= setTimeout(() => this.#tell(), waitMs)
  }

  /** Encodes each of the two messages at most once, whatever the number of receivers. */
  #tell(): void {
    this.#timer = undefined
    const all = { peers: this.#list(), away: this.#away() }
    const changed = this.#changed
    this.#changed = new Set()
    const whole = once(() => toWire({ kind: 'peers', whole: true, ...all }))
    const news = once(() => {
      const isNew = ({ id }: { id: string }): boolean => changed.has(id)
      const [peers, away] = [all.peers.filter(isNew), all.away.filter(isNew)]
      return toWire({ kind: 'peers', whole: false, peers, away })
    })
    let greeted = 0
    for (const session of this.#sessions.values()) {
      if (session.socket === undefined) continue
      const isListed = session.listedOn === session.socket
      if (isListed && changed.size > 0) session.sendEncoded(news())
      if (isListed || ++greeted > coordinatorLimits.peersGreetedAtOnce) continue
      session.listedOn = session.socket
      session.sendEncoded(whole())
    }
    this.#toldMs = monotonicMs()
    if (greeted > coordinatorLimits.peersGreetedAtOnce) this.#soon()
  }

  /** Nodes that the registry still lists without a session, and those that it has dropped. */
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

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
