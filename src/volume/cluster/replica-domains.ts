/**
 * A node's side of the domains (metadata/domain-rules.ts): drops those that other nodes change,
 * asks for them again, sends the outbox, and gives back what is exclusive to the node. Main thread.
 *
 * Invariants: a domain is given back after all that the node did in it was sent. After a new
 * session began, nothing is exclusive to the node, and the outbox is sent once its replica is
 * current.
 */
import { FsError } from '../../base/fs-error.ts'
import type { Change } from '../../metadata/change.ts'
import { listExclusive } from '../../metadata/domain-rules.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import {
  entriesAfter,
  lastEntry,
  takeEntries,
  type OutboxEntry,
} from '../../metadata/outbox-rules.ts'
import type { SqliteEngine } from '../../metadata/sqlite/sqlite-engine.ts'
import type { Rule } from '../../metadata/statement.ts'
import type { DomainMarks } from './domain-marks.ts'

/** The messages that it sends (coordinator/link/link-protocol.ts). */
export interface DomainLink {
  dropped(request: number, used: readonly number[]): void
  returnDomains(domains: readonly number[]): void
  sendOutbox(entries: readonly OutboxEntry[], isLate: boolean): void
  want(domain: number): Promise<unknown>
}

export interface ReplicaDomainsParts {
  engine: SqliteEngine
  marks: DomainMarks
  /** Id of this node. */
  self: string
  link: DomainLink
  /** Whether programs here have something open in a domain. */
  isUsed: (domain: number) => boolean
  /** Operations were refused: their domains have changed elsewhere. */
  onRefused: (ids: readonly number[]) => void
}

export class ReplicaDomains {
  readonly #parts: ReplicaDomainsParts
  /** Domains that this node has dropped. */
  readonly #dropped = new Set<number>()
  /** The last entry of the outbox that was sent on this connection. */
  #sent = 0
  /** Entries up to this one were made in an earlier session. */
  #late = 0
  #isCurrent = false
  /** The coordinator may still have domains of an earlier session recorded as exclusive. */
  #mustReturn = true
  #waiting: { id: number; done: PromiseWithResolvers<void> }[] = []

  constructor(parts: ReplicaDomainsParts) {
    this.#parts = parts
    this.#late = parts.engine.read(lastEntry())
    this.load()
  }

  /** Drops what the replica has recorded as exclusive to other nodes. */
  load(): void {
    const { engine, self } = this.#parts
    for (let after = 0; ;) {
      const page = engine.read(listExclusive(after, metadataLimits.storePage))
      for (const { domain, node } of page) if (node !== self) this.#drop(domain)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.domain
    }
  }

  #drop(domain: number): void {
    if (this.#dropped.has(domain)) return
    this.#dropped.add(domain)
    this.#parts.marks.drop(domain)
  }

  #rely(domain: number): void {
    if (this.#dropped.delete(domain)) this.#parts.marks.rely(domain)
  }

  hasDropped(domain: number): boolean {
    return this.#dropped.has(domain)
  }

  /** Domains that are exclusive to this node, for a new connection. */
  exclusive(): number[] {
    return this.#parts.marks.listExclusive()
  }

  /** A new connection. `isResumed`: the session goes on, with the domains exclusive to the node. */
  welcome(isResumed: boolean): void {
    this.#isCurrent = false
    this.#sent = 0
    if (isResumed) return
    this.#mustReturn = true
    this.#end(this.exclusive())
    this.#late = this.#parts.engine.read(lastEntry())
  }

  /** The replica is current: nothing of the outbox is sent twice from here on. */
  current(): void {
    if (this.#isCurrent) return
    this.#isCurrent = true
    this.send()
    if (this.#mustReturn) this.#returnOwn()
    this.#mustReturn = false
  }

  /**
   * Gives back the domains that an earlier session had, behind what it left in the outbox. Sent
   * even if there are none: from then on domains can become exclusive to this node again.
   */
  #returnOwn(): void {
    const { engine, self, marks, link } = this.#parts
    const own: number[] = []
    for (let after = 0; ;) {
      const page = engine.read(listExclusive(after, metadataLimits.storePage))
      const last = page.at(-1)
      if (last === undefined) break
      for (const { domain, node } of page) {
        if (node === self && !marks.isExclusive(domain)) own.push(domain)
      }
      after = last.domain
    }
    link.returnDomains(own)
  }

  /** Another node is about to change these domains. 0: no answer is expected. */
  drop(request: number, domains: readonly number[]): void {
    const { isUsed, link } = this.#parts
    // First the mark: who opens something from now on sees it, or is seen here.
    for (const domain of domains) this.#drop(domain)
    if (request === 0) return
    const used = domains.filter(isUsed)
    for (const domain of used) this.#rely(domain)
    link.dropped(request, used)
  }

  recalled(domains: readonly number[]): void {
    this.giveBack(domains)
  }

  /** Sends what the outbox has, then gives back those of the domains that are exclusive here. */
  giveBack(domains: readonly number[]): void {
    this.#end(domains)
    this.send()
    this.#parts.link.returnDomains(domains)
  }

  /** No transaction that relies on one of the domains is under way once this returns. */
  #end(domains: readonly number[]): void {
    const { engine, marks } = this.#parts
    engine.alone(() => {
      for (const domain of domains) marks.endExclusive(domain)
    })
  }

  /** The coordinator makes domains exclusive to this node. */
  granted(domains: readonly number[]): void {
    const { marks, engine } = this.#parts
    const refused: number[] = []
    engine.alone(() => {
      for (const domain of domains) if (!marks.addExclusive(domain)) refused.push(domain)
    })
    for (const domain of domains) this.#rely(domain)
    if (refused.length > 0) this.giveBack(refused)
  }

  /**
   * Asks for a domain again; resolves when the replica has all changes of it so far. Whether the
   * node may rely on it from then on is told by `relied`.
   */
  async want(domain: number): Promise<void> {
    if (this.#dropped.has(domain)) await this.#parts.link.want(domain)
  }

  /** Call in the order of the coordinator's messages. */
  relied(domain: number): void {
    this.#rely(domain)
  }

  /** Call before a change of the coordinator is applied. */
  arriving({ origin, effects }: Change): void {
    if (origin === this.#parts.self) return
    for (const domain of effects.exclusive) this.#drop(domain)
  }

  /** For applyChanges: whether this node made the change itself. */
  *isApplied({ origin, outbox }: Change): Rule<boolean> {
    const { self } = this.#parts
    return outbox !== undefined && origin === self && (yield* takeEntries(self, outbox))
  }

  /** Call after a change of the coordinator was applied. */
  applied({ origin, outbox }: Change): void {
    if (origin !== this.#parts.self || outbox === undefined) return
    if (outbox.refused.length > 0) this.#parts.onRefused(outbox.refused)
    for (const { id, done } of this.#waiting) if (id <= outbox.last) done.resolve()
    this.#waiting = this.#waiting.filter(({ id }) => id > outbox.last)
  }

  /** Resolves when the coordinator has run everything that is in the outbox now. */
  async flush(): Promise<void> {
    const id = this.#parts.engine.read(lastEntry())
    if (id === 0) return
    this.send()
    const done = Promise.withResolvers<void>()
    this.#waiting.push({ id, done })
    await done.promise
  }

  close(): void {
    for (const { done } of this.#waiting)
      done.reject(new FsError('ECANCELED', 'the node is stopping'))
  }

  /** Sends what is in the outbox, if the replica is current. */
  send(): void {
    if (!this.#isCurrent) return
    const { engine, link } = this.#parts
    for (;;) {
      const page = engine.read(entriesAfter(this.#sent, metadataLimits.outboxBatch))
      const isLate = page[0] !== undefined && page[0].id <= this.#late
      const entries = isLate ? page.filter(({ id }) => id <= this.#late) : page
      const last = entries.at(-1)
      if (last === undefined) return
      link.sendOutbox(entries, isLate)
      this.#sent = last.id
    }
  }
}
