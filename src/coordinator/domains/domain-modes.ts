/**
 * How far each node may rely on its replica, by domain (metadata/domain-rules.ts):
 *
 * - read-shared, where nothing is recorded here: every node reads its replica without asking.
 *   Before a change, the others are asked to drop the domain; they ask (`want`) when they need it.
 * - exclusive to one node, which reads and changes it without asking. It is recalled for another.
 * - contended: it changed hands too often in the last seconds. Nobody relies on it; every read and
 *   change asks the coordinator, and waits for no other node.
 *
 * A node that has files of a domain open does not drop it, and follows instead: it applies each
 * change before that is answered.
 *
 * Invariants: a change runs only while no node relies on one of its domains, except its followers.
 * At most one node has a domain exclusively, and then no other relies on it. A session that has
 * ended relies on nothing, but what was exclusive to it stays reserved for its outbox until another
 * node changes it. What grants something is sent while the domain is locked, so that no later
 * message overtakes it.
 */
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import { monotonicMs } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { Footprint } from '../../metadata/footprint.ts'
import { coordinatorLimits } from '../limits.ts'
import { Heat } from './heat.ts'

/** A session of a node. */
export interface DomainUser {
  /** Id of its node. */
  readonly id: string
  /** It relies on its replica in general; false: it follows every change. */
  readonly drops: boolean
  hasEnded(): boolean
  /** To be answered by `dropped`. */
  drop(request: number, domains: readonly number[]): void
  /** To be answered by `returned`, after what the outbox has. */
  recallDomains(domains: readonly number[]): void
}

interface Mode<U> {
  holder: U | undefined
  /** Id of a node that had it exclusively: changes in its outbox are still accepted. */
  reservedFor: string | undefined
  /** Nobody has relied on it since; its node may claim it. */
  isClaimable: boolean
  /** Users that have dropped it. */
  readonly dropped: Set<U>
  /** Users that have it in use. */
  readonly followers: Set<U>
  lastChanger: U | undefined
  readonly heat: Heat
}

interface Drop<U> {
  user: U
  domains: readonly number[]
  done: PromiseWithResolvers<void>
}

interface Recall<U> {
  holder: U
  done: PromiseWithResolvers<void>
}

/** A change that may run now. */
export interface ChangePermit<U> {
  /** Users that must apply the change before it is answered. */
  readonly followers: ReadonlySet<U>
  /** Domains that the change makes exclusive to its asker. */
  readonly granted: readonly number[]
  /** Domains reserved for nodes without session; the change ends that. */
  readonly overridden: readonly number[]
}

export interface Resumed {
  /** Claimed domains that the user does not have. */
  lost: number[]
  /** Domains that it has and did not claim. */
  unclaimed: number[]
}

export interface DomainModesOptions<U> {
  users: () => Iterable<U>
  /** Resolves when all transactions requested before have ended. */
  settled: () => Promise<void>
}

export class DomainModes<U extends DomainUser> {
  readonly #options: DomainModesOptions<U>
  readonly #modes = new Map<number, Mode<U>>()
  readonly #locks = new KeyedMutex<number>()
  /** Domains whose change has passed its drops: who comes now does not rely on them. */
  readonly #changing = new Map<number, number>()
  readonly #drops = new Map<number, Drop<U>>()
  readonly #recalls = new Map<number, Recall<U>>()
  readonly #held = new Map<U, Set<number>>()
  #lastRequest = 0

  constructor(options: DomainModesOptions<U>) {
    this.#options = options
  }

  /** Reserves a domain as the store has it recorded; call before any user is served. */
  reserve(domain: number, node: string): void {
    Object.assign(this.#mode(domain), { reservedFor: node, isClaimable: true })
  }

  /** Runs a change when it may run; `run` sends its answer if something is granted. */
  async change<T extends { change: unknown }>(
    asker: U | undefined,
    footprint: () => Promise<Footprint>,
    run: (permit: ChangePermit<U>) => Promise<T>,
  ): Promise<T> {
    const users = [...this.#options.users()]
    // All follow every change: there is nothing to drop, recall or lock.
    if (this.#modes.size === 0 && !users.some(({ drops }) => drops)) {
      const followers = new Set(users.filter((user) => user !== asker && !user.hasEnded()))
      return await run({ followers, granted: [], overridden: [] })
    }
    for (let tries = 0; tries < coordinatorLimits.footprintTries; tries++) {
      const { domains } = await footprint()
      using _locks = await this.#lock(domains)
      await this.#recallAll(domains)
      // What the recalled nodes have sent may have changed it.
      const found = await footprint()
      if (found.domains.every((domain) => domains.includes(domain))) {
        return await this.#run(asker, found, run)
      }
    }
    throw new FsError('EAGAIN', 'other nodes keep changing these directories: try again')
  }

  async #run<T extends { change: unknown }>(
    asker: U | undefined,
    { domains, created, reach }: Footprint,
    run: (permit: ChangePermit<U>) => Promise<T>,
  ): Promise<T> {
    const isSeen = reach !== 'upkeep'
    const changing = isSeen ? domains : []
    for (const domain of changing) this.#begin(domain)
    try {
      await this.#dropAll(asker, changing)
      const followers = this.#followersOf(asker, changing, reach)
      const mayGrant = reach === 'content' && followers.size === 0 && asker?.drops === true
      const granted = mayGrant ? [...this.#grantable(asker, domains), ...created] : []
      const overridden = domains.filter((domain) => this.#isReserved(domain, asker))
      for (const domain of domains) this.#mode(domain).isClaimable = false
      const done = await run({ followers, granted, overridden })
      if (done.change) for (const domain of changing) this.#noteChange(this.#mode(domain), asker)
      for (const domain of overridden) this.#mode(domain).reservedFor = undefined
      return done
    } finally {
      for (const domain of changing) this.#end(domain)
    }
  }

  /** Whether the outbox of another node may have changes of the domain. */
  #isReserved(domain: number, asker: U | undefined): boolean {
    const { reservedFor } = this.#mode(domain)
    return reservedFor !== undefined && reservedFor !== asker?.id
  }

  #begin(domain: number): void {
    this.#changing.set(domain, (this.#changing.get(domain) ?? 0) + 1)
  }

  #end(domain: number): void {
    const left = (this.#changing.get(domain) ?? 1) - 1
    if (left === 0) this.#changing.delete(domain)
    else this.#changing.set(domain, left)
  }

  #noteChange(mode: Mode<U>, asker: U | undefined): void {
    if (mode.lastChanger !== undefined && mode.lastChanger !== asker) mode.heat.add()
    mode.lastChanger = asker
  }

  /** Domains of a change that become exclusive: its asker changed them before, and nobody else. */
  #grantable(asker: U, domains: readonly number[]): number[] {
    return domains.filter((domain) => {
      const { heat, lastChanger, holder } = this.#mode(domain)
      return holder === undefined && lastChanger === asker && !heat.isHot()
    })
  }

  /** The change that grants these domains is committed. Call before its answer is sent. */
  grant(user: U, domains: readonly number[]): void {
    const held = this.#heldBy(user)
    for (const domain of domains) {
      const mode = this.#mode(domain)
      Object.assign(mode, { holder: user, reservedFor: undefined })
      // Also after it gives the domain back.
      mode.dropped.delete(user)
      held.add(domain)
    }
    const excess = held.size - coordinatorLimits.exclusiveDomains
    if (excess > 0) user.recallDomains([...held].slice(0, excess))
  }

  /** Whether a user has all these domains exclusively. */
  holds(user: U, domains: readonly number[]): boolean {
    return domains.every((domain) => this.#modes.get(domain)?.holder === user)
  }

  #heldBy(user: U): Set<number> {
    const held = this.#held.get(user) ?? new Set()
    this.#held.set(user, held)
    return held
  }

  /**
   * A user needs a domain that it has dropped. `answer` is called under the lock: with true if the
   * user may rely on its replica from then on, with false if only for the reads that it has begun.
   */
  async want(user: U, domain: number, answer: (mayRely: boolean) => Promise<void>): Promise<void> {
    using _lock = await this.#locks.acquire(domain)
    const before = this.#modes.get(domain)
    if (before !== undefined && before.holder !== user) await this.#recallAll([domain])
    const mode = this.#modes.get(domain)
    const mayRely = mode === undefined || !mode.heat.isHot()
    if (mayRely) mode?.dropped.delete(user)
    if (mode && mode.holder !== user) mode.isClaimable = false
    await answer(mayRely)
  }

  async #lock(domains: readonly number[]): Promise<Disposable> {
    const locks = new DisposableStack()
    for (const domain of domains) locks.use(await this.#locks.acquire(domain))
    return locks
  }

  async #recallAll(domains: readonly number[]): Promise<void> {
    const byHolder = new Map<U, number[]>()
    for (const domain of domains) {
      const holder = this.#modes.get(domain)?.holder
      if (holder === undefined) continue
      byHolder.set(holder, [...(byHolder.get(holder) ?? []), domain])
    }
    if (byHolder.size === 0) return
    await Promise.all([...byHolder].map(([holder, held]) => this.#recall(holder, held)))
    // A transaction of a node whose session has ended may still be under way.
    await this.#options.settled()
  }

  async #recall(holder: U, domains: readonly number[]): Promise<void> {
    const waits = domains.map((domain) => {
      const recall = { holder, done: Promise.withResolvers<void>() }
      this.#recalls.set(domain, recall)
      this.#mode(domain).heat.add()
      return recall.done.promise
    })
    holder.recallDomains(domains)
    await Promise.all(waits)
  }

  /** A node gives back domains, having sent all that it did there. */
  returned(user: U, domains: readonly number[]): void {
    for (const domain of domains) {
      const mode = this.#modes.get(domain)
      if (mode === undefined) continue
      if (mode.reservedFor === user.id) mode.reservedFor = undefined
      if (mode.holder !== user) continue
      mode.holder = undefined
      this.#heldBy(user).delete(domain)
      this.#endRecall(domain, user)
    }
  }

  #endRecall(domain: number, user: U): void {
    const recall = this.#recalls.get(domain)
    if (recall?.holder !== user) return
    this.#recalls.delete(domain)
    recall.done.resolve()
  }

  async #dropAll(asker: U | undefined, domains: readonly number[]): Promise<void> {
    const waits: Promise<void>[] = []
    for (const user of this.#options.users()) {
      if (user === asker || !user.drops || user.hasEnded()) continue
      const relied = domains.filter((domain) => {
        const { dropped, followers } = this.#mode(domain)
        return !dropped.has(user) && !followers.has(user)
      })
      if (relied.length > 0) waits.push(this.#drop(user, relied))
    }
    await Promise.all(waits)
  }

  #drop(user: U, domains: readonly number[]): Promise<void> {
    const request = ++this.#lastRequest
    const done = Promise.withResolvers<void>()
    this.#drops.set(request, { user, domains, done })
    user.drop(request, domains)
    return done.promise
  }

  /** Answer to `drop`. `used`: domains that the node has in use, and continues to rely on. */
  dropped(user: U, request: number, used: readonly number[]): void {
    const drop = this.#drops.get(request)
    if (drop?.user !== user) return
    this.#drops.delete(request)
    for (const domain of drop.domains) {
      const { dropped, followers } = this.#mode(domain)
      if (used.includes(domain)) followers.add(user)
      else dropped.add(user)
    }
    drop.done.resolve()
  }

  /** A node has dropped domains that it had in use. */
  unused(user: U, domains: readonly number[]): void {
    for (const domain of domains) {
      const mode = this.#modes.get(domain)
      if (mode?.followers.delete(user) === true) mode.dropped.add(user)
    }
  }

  #followersOf(
    asker: U | undefined,
    domains: readonly number[],
    reach: Footprint['reach'],
  ): Set<U> {
    const followers = new Set<U>()
    if (reach === 'upkeep') return followers
    for (const user of this.#options.users()) {
      if (user === asker || user.hasEnded()) continue
      const follows = domains.some((domain) => this.#mode(domain).followers.has(user))
      if (reach === 'volume' || follows || !user.drops) followers.add(user)
    }
    return followers
  }

  /**
   * Domains that are being changed, on which a user that has become current just now must not rely.
   */
  joined(user: U): number[] {
    for (const domain of this.#changing.keys()) this.#mode(domain).dropped.add(user)
    return [...this.#changing.keys()]
  }

  /** A user is on a new connection: messages on the last one may be lost. */
  resumed(user: U, claimed: readonly number[]): Resumed {
    const claims = new Set(claimed)
    // The answers that granted these were lost.
    const unclaimed = [...this.#heldBy(user)].filter((domain) => !claims.has(domain))
    const lost = claimed.filter((domain) => !this.#claim(user, domain))
    for (const [request, drop] of this.#drops) {
      if (drop.user === user) user.drop(request, drop.domains)
    }
    const recalled = [...this.#recalls].filter(([, { holder }]) => holder === user)
    if (recalled.length > 0) user.recallDomains(recalled.map(([domain]) => domain))
    return { lost, unclaimed }
  }

  #claim(user: U, domain: number): boolean {
    const mode = this.#mode(domain)
    if (mode.holder === user) return true
    if (mode.holder !== undefined || mode.reservedFor !== user.id || !mode.isClaimable) return false
    this.grant(user, [domain])
    return true
  }

  /** The session has ended: it relies on nothing. */
  left(user: U): void {
    for (const domain of this.#heldBy(user)) {
      const mode = this.#mode(domain)
      Object.assign(mode, { holder: undefined, reservedFor: user.id, isClaimable: false })
      this.#endRecall(domain, user)
    }
    this.#held.delete(user)
    for (const [request, drop] of this.#drops) {
      if (drop.user !== user) continue
      this.#drops.delete(request)
      drop.done.resolve()
    }
    for (const mode of this.#modes.values()) {
      mode.dropped.delete(user)
      mode.followers.delete(user)
      if (mode.lastChanger === user) mode.lastChanger = undefined
    }
  }

  #mode(domain: number): Mode<U> {
    const found = this.#modes.get(domain)
    if (found) return found
    if (this.#modes.size >= coordinatorLimits.domainModes) this.#prune()
    const made: Mode<U> = {
      holder: undefined,
      reservedFor: undefined,
      isClaimable: false,
      dropped: new Set(),
      followers: new Set(),
      lastChanger: undefined,
      heat: new Heat(monotonicMs),
    }
    this.#modes.set(domain, made)
    return made
  }

  /** Forgets the oldest half of what may be forgotten: every node may rely on those domains. */
  #prune(): void {
    let left = coordinatorLimits.domainModes / 2
    for (const [domain, { holder, reservedFor }] of this.#modes) {
      if (left-- <= 0) return
      const isNeeded = holder !== undefined || reservedFor !== undefined
      if (!isNeeded && !this.#changing.has(domain)) this.#modes.delete(domain)
    }
  }
}
