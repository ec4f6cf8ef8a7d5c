/**
 * Orders all changes of a volume's metadata among several nodes. Each node has a copy of the
 * metadata and one link. Nodes send operations, which run here one after the other, and receive
 * every change.
 *
 * Invariants: an operation is answered only after every node with a valid metadata lease that
 * relies on what it changes (domains/) has applied it; therefore an open on any node sees what was
 * closed before on another. A lease is valid for `coordinatorLimits.linkTtlMs` after the node was
 * last heard from, so an unreachable node delays the others for no longer than that.
 *
 * After a restart nothing is changed until all nodes that may have valid leases are back, or that
 * time has passed. They claim again what was only in memory: write leases, locks, open files.
 */
import type { WebSocket } from 'ws'
import { TimeSlices } from '../base/async/time-slices.ts'
import { monotonicMs } from '../base/clock.ts'
import { FsError, codeOf, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { baseLimits } from '../base/limits.ts'
import { coordinatorLimits } from './limits.ts'
import type { Change } from '../metadata/change.ts'
import type { NodeIdentity } from '../metadata/node-rules.ts'
import type { ExclusiveDomain } from '../metadata/domain-rules.ts'
import type { OperationName, OperationResult } from '../metadata/operations.ts'
import { Confirmations } from './confirmations.ts'
import {
  errorToWire,
  fileToLease,
  toWire,
  type CoordinatorMessage,
  type Hello,
  type NodeMessage,
} from './link/link-protocol.ts'
import { EncodedLog, encodeChanges, type EncodedChanges } from './encoded-changes.ts'
import { LinkDoor } from './link/link-door.ts'
import { readMessages } from './link/link-messages.ts'
import { LivePeers } from './peers/live-peers.ts'
import type { MetadataStore } from './metadata-store.ts'
import type { NodeRegister } from './peers/node-register.ts'
import type { NumberOwners } from './peers/number-owners.ts'
import { OpenWriters } from './locks/open-writers.ts'
import { Orphans } from './orphans.ts'
import { OperationRunner, type Ran } from './domains/operation-runner.ts'
import type { PeerRegistry } from './peers/peer-registry.ts'
import { Session } from './session.ts'
import { SessionLocks } from './locks/session-locks.ts'
import { WriteLeases } from './locks/write-leases.ts'

export interface CoordinatorOptions {
  store: MetadataStore
  logger: Logger
  /** The nodes that are online, for other nodes and for people. */
  registry: PeerRegistry
  numbers: NumberOwners
  nodes: NodeRegister
  /** Domains that are exclusive to nodes, which may claim them. */
  reserved: readonly ExclusiveDomain[]
}

type Request = NodeMessage & {
  kind: 'operation' | 'lease' | 'writing' | 'sync' | 'lock' | 'want'
}

export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #sessions = new Map<string, Session>()
  readonly #leases = new WriteLeases()
  readonly #writers = new OpenWriters<Session>()
  readonly #locks = new SessionLocks()
  readonly #orphans: Orphans
  readonly #runner: OperationRunner
  readonly #peers: LivePeers
  readonly #confirmations = new Confirmations()
  readonly #slices = new TimeSlices(coordinatorLimits.linkSliceMs)
  readonly #log: EncodedLog
  readonly #refusals: RepeatedLog
  readonly #sweep: NodeJS.Timeout
  /** Node processes from before a restart whose metadata leases may still be valid. */
  readonly #absent: Set<string>
  /** Resolves when every node has claimed what it had before a restart, or its time is over. */
  readonly #claimed = Promise.withResolvers<void>()
  readonly #ready = Promise.withResolvers<void>()
  #grace: NodeJS.Timeout | undefined
  #isClosed = false
  #sweptMs = monotonicMs()
  /**
   * No session is ended before this time, ms. Set after a pause in which no node could renew its
   * lease: the nodes must be heard from first.
   */
  #hearsUntilMs = 0

  constructor(options: CoordinatorOptions) {
    this.#options = options
    this.#log = new EncodedLog(options.store)
    this.#refusals = new RepeatedLog(options.logger)
    options.nodes.spread = (change) => this.#spread(change)
    this.#peers = new LivePeers(options.registry, options.logger, this.#sessions)
    this.#runner = new OperationRunner({
      ...options,
      leases: this.#leases,
      sessions: this.#sessions,
      ran: (session, name, ran) => this.#noteOrphans(session, name, ran),
      tell: (change) => this.#tell(change),
      applied: (seq, followers, asker) => this.#confirmations.reached(seq, followers, asker),
      claimed: this.#claimed.promise,
    })
    this.#runner.reserve(options.reserved)
    this.#orphans = new Orphans(options.store, options.logger, (ino) => this.#runner.purge(ino))
    this.#sweep = setInterval(() => {
      this.#sweepSessions()
    }, coordinatorLimits.linkRenewMs / 5)
    this.#absent = new Set(options.store.earlierSessions)
    if (this.#absent.size === 0) void this.#start()
    else this.#grace = setTimeout(() => void this.#start(), coordinatorLimits.linkTtlMs)
  }

  /** Runs when all nodes that may have leases, locks or open files have claimed them. */
  async #start(): Promise<void> {
    clearTimeout(this.#grace)
    const gone = [...this.#absent]
    this.#absent.clear()
    this.#claimed.resolve()
    await Promise.all(gone.map((token) => this.#forget(token)))
    try {
      // Before any change: an orphan that no node has open now can never be opened again.
      await this.#orphans.sweep(() => this.#sessions.values())
    } catch (error) {
      this.#options.logger.warn(`files that nobody has open stay for now: ${describe(error)}`)
    }
    this.#ready.resolve()
  }

  /** After a restart, the coordinator need not wait for this process of a node. */
  async #forget(token: string): Promise<void> {
    try {
      await this.#options.store.removeSession(token)
    } catch (error) {
      this.#options.logger.warn(`a node that left is not forgotten: ${describe(error)}`)
    }
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweep)
    clearTimeout(this.#grace)
    this.#peers.close()
    for (const { socket } of this.#sessions.values()) socket?.terminate()
  }

  /** Serves a new connection, which must prove to be a node. `mayJoin`: it may be a new node. */
  attach(socket: WebSocket, mayJoin: boolean): void {
    const door = new LinkDoor(this.#options.nodes, mayJoin)
    let session: Session | undefined
    const silent = setTimeout(() => socket.terminate(), baseLimits.apiHeadersMs)
    socket.on('error', () => undefined)
    const admit = async (hello: Hello): Promise<void> => {
      const { hasJoined } = await door.admit(hello)
      // Nodes that are registered together continue together.
      await this.#slices.run(() => {
        if (hasJoined)
          this.#options.logger.warn(`${hello.peer.id} has joined with a key of its own`)
        if (socket.readyState === socket.OPEN) session = this.#greet(hello, socket, session)
      })
    }
    readMessages(socket, this.#slices, {
      take: (message) => {
        clearTimeout(silent)
        if (message.kind === 'hello') return admit(message)
        // Ignore late messages of a connection that was replaced; the node repeats them on the new
        // one.
        if (session?.socket === socket && !session.hasEnded()) this.#take(session, message)
        return undefined
      },
      fail: (error) => {
        this.#refusals.warn(codeOf(error), `a node is cut off: ${describe(error)}`)
        if (session === undefined) refuse(socket, error)
        else socket.terminate()
      },
      end: () => {
        clearTimeout(silent)
        if (session?.socket === socket) session.socket = undefined
      },
    })
    socket.send(toWire(door.challenge()))
  }

  /** The nodes that have joined, by id. */
  get members(): NodeIdentity[] {
    return this.#options.nodes.list()
  }

  /** Ends the node's link. Resolves when all other nodes have the change and reject its tokens. */
  async revoke(id: string): Promise<void> {
    await this.#options.nodes.revoke(id, () => {
      this.#options.logger.warn(`${id} was revoked: nobody can come in as that node`)
      const session = this.#sessions.get(id)
      if (session) this.#end(session)
      this.#options.registry.forget(id)
    })
  }

  /** EBUSY: the node is connected. */
  async remove(id: string): Promise<void> {
    if (this.#sessions.has(id)) {
      throw new FsError(
        'EBUSY',
        `${id} is connected, or was some seconds ago: stop it and try again, or revoke it first`,
      )
    }
    await this.#options.nodes.remove(id)
    this.#options.registry.forget(id)
    this.#options.logger.warn(`${id} was removed: the id is free for a node that may join`)
  }

  /** `before`: the session of the same connection, if it has one already. */
  #greet(hello: Hello, socket: WebSocket, before?: Session): Session | undefined {
    const { store } = this.#options
    const { peer, seq, term } = hello
    const known = this.#sessions.get(peer.id)
    try {
      if (!store.leads()) throw new FsError('EAGAIN', 'another coordinator may have taken over')
      if (before && before !== known) throw new FsError('EINVAL', 'a connection is of one node')
      if (known && known.token !== hello.session) this.#replace(known)
    } catch (error) {
      refuse(socket, error)
      return before
    }
    const isOther = hello.store !== store.store
    const isAhead = hello.store !== '' && (isOther || !store.hasHistory(term, seq))
    const snapshot = isOther || isAhead || !store.reaches(seq)
    // Also after a restart of the coordinator, if the node came back in time.
    const isResumed = known?.token === hello.session || this.#absent.has(hello.session)
    const state = { store: store.store, seq: store.seq, snapshot, isAhead, isResumed }
    socket.send(toWire({ kind: 'welcome', ...state, ttlMs: coordinatorLimits.linkTtlMs }))
    if (isAhead) this.#noteAhead(peer.id, seq)
    if (snapshot) return undefined
    const session = known?.token === hello.session ? known : new Session(hello)
    this.#sessions.set(peer.id, session)
    session.socket = socket
    session.renewalAt = undefined
    session.isCurrent &&= session.isTrusted
    session.applied = seq
    session.sent = seq
    this.#leases.resume(session, hello.leases)
    this.#writers.resume(session, hello.writing)
    for (const ino of hello.held) session.held.add(ino)
    const lost = this.#locks.restore(session, hello.locks)
    this.#peers.greet()
    if (lost.length > 0) session.send({ kind: 'lost', locks: lost })
    session.mayHold ||= isResumed
    const { lost: others, unclaimed } = this.#runner.modes.resumed(session, hello.exclusive)
    if (others.length > 0) session.recallDomains(others)
    if (unclaimed.length > 0) {
      this.#runner.inOrder(session, () => this.#runner.returnDomains(session, unclaimed))
    }
    this.#advance(session)
    return session
  }

  #noteAhead(id: string, seq: number): void {
    const { store } = this.#options
    this.#refusals.error(
      `${id} is ahead`,
      `${id} has changes up to ${seq} that are not in this database, which has ${store.seq}: ` +
        'was it restored from a backup? The node takes these names, ' +
        'and keeps its own in conflicts/',
    )
  }

  /**
   * Ends the session of an earlier process with the same id. EBUSY if that process is connected and
   * has a valid lease: then two nodes have the same key.
   */
  #replace(known: Session): void {
    if (known.socket && known.isTrusted) {
      throw new FsError(
        'EBUSY',
        `a node with the same key is connected as ${known.peer.id}: ` +
          'was its -nvme directory copied? Stop one of them, or remove node-key and peer-id ' +
          'from the copy',
      )
    }
    this.#end(known)
  }

  #take(session: Session, message: Exclude<NodeMessage, Hello>): void {
    switch (message.kind) {
      case 'writing':
        // Immediately, since the next message may withdraw it.
        this.#writers.add(message.ino, session)
        void this.#answer(session, message)
        break
      case 'written':
        for (const ino of message.inos) this.#writers.remove(ino, session)
        break
      case 'operation':
      case 'lease':
      case 'sync':
      case 'lock':
      case 'want':
        void this.#answer(session, message)
        break
      case 'dropped':
        this.#runner.modes.dropped(session, message.request, message.used)
        break
      case 'unused':
        this.#runner.modes.unused(session, message.domains)
        break
      case 'outbox':
        this.#runner.inOrder(session, () => this.#runner.takeOutbox(session, message))
        break
      case 'returnedDomains':
        this.#runner.inOrder(session, () => this.#runner.returnDomains(session, message.domains))
        break
      case 'applied':
        this.#orphans.hold(session, message.held)
        session.applied = message.seq
        this.#advance(session)
        this.#orphans.settle(this.#sessions.values(), () => this.#confirmed())
        break
      case 'cancel':
        this.#locks.cancel(session, message.id)
        break
      case 'renew':
        this.#renew(session, message.at)
        break
      case 'bye':
        this.#end(session)
        break
      case 'returned':
        for (const ino of message.inos) this.#leases.giveBack(ino, session)
        break
      case 'closed':
        for (const ino of message.inos) session.held.delete(ino)
        this.#orphans.settle(this.#sessions.values(), () => this.#confirmed())
        break
      case 'status':
        this.#peers.report(session, message.report)
        break
      case 'reachable':
        session.peer.url = message.url
        this.#peers.register(session)
    }
  }

  #renew(session: Session, at: number): void {
    // The next leader would not have a lease that is granted here.
    if (!this.#options.store.leads()) return
    // No operation waits for it any more, so it must have all changes before it is renewed.
    if (!session.isTrusted) session.isCurrent = false
    this.#advance(session)
    session.renewalAt = at
    if (session.isCurrent && !session.isLate(this.#confirmations.oldest)) session.renew()
  }

  async #answer(session: Session, message: Request): Promise<void> {
    const { id } = message
    try {
      await this.#ready.promise
      if (message.kind === 'want') await this.#want(session, message)
      else await this.#answerRequest(session, message)
    } catch (error) {
      await this.#told(session)
      this.#reply(session, { kind: 'result', id, error: errorToWire(error) })
    }
  }

  async #answerRequest(
    session: Session,
    message: Exclude<Request, { kind: 'want' }>,
  ): Promise<void> {
    if (message.kind !== 'operation') {
      const value = await this.#run(session, message)
      await this.#told(session)
      this.#replyTo(session, message, value)
      return
    }
    if (session.hasEnded()) throw sessionEnded()
    const { value, isAnswered } = await this.#runner.operate(session, message, (ran, exclusive) =>
      this.#replyTo(session, message, ran.value, exclusive),
    )
    if (isAnswered) return
    await this.#told(session)
    this.#replyTo(session, message, value)
  }

  #replyTo(
    session: Session,
    message: Request,
    value: unknown,
    exclusive?: readonly number[],
  ): void {
    const file = fileToLease(message, value)
    // Another node may have the lease by now; a node that needs it requests it (again).
    const isOurs = file !== undefined && !session.hasEnded() && this.#leases.offer(file, session)
    const leased = isOurs ? file : undefined
    const isMade = isOurs && message.kind === 'operation' && message.name === 'create'
    const mayMap = isMade ? this.#writers.add(file, session) : undefined
    const { id } = message
    this.#reply(session, { kind: 'result', id, value, leased, mayMap, exclusive })
  }

  async #want(session: Session, { id, domain }: NodeMessage & { kind: 'want' }): Promise<void> {
    await this.#runner.modes.want(session, domain, async (mayRely) => {
      await this.#told(session)
      this.#reply(session, { kind: 'result', id, value: mayRely })
    })
  }

  /** Answers only while leading; otherwise closes the link, and the node asks the new leader. */
  #reply(session: Session, message: CoordinatorMessage): void {
    if (this.#options.store.leads()) session.send(message)
    else session.socket?.terminate()
  }

  async #run(
    session: Session,
    message: Exclude<Request, { kind: 'want' | 'operation' }>,
  ): Promise<unknown> {
    if (session.hasEnded()) throw sessionEnded()
    if (message.kind === 'lease') {
      await this.#leases.acquire(message.ino, session, () => this.#options.store.settled())
      // A node that left meanwhile must not keep the lease.
      if (session.hasEnded()) this.#leases.giveBack(message.ino, session)
      return undefined
    }
    if (message.kind === 'writing') return await this.#writers.alone(message.ino)
    if (message.kind === 'lock') return await this.#locks.run(session, message)
    await this.#options.store.sync()
    return undefined
  }

  #noteOrphans(session: Session, name: OperationName, { value, change }: Ran): void {
    if (name === 'createOrphan')
      this.#orphans.made((value as OperationResult<'createOrphan'>).ino, session)
    if (change) this.#orphans.note(change)
  }

  async #spread(change: Change): Promise<void> {
    this.#tell(change)
    await this.#applied(change.seq)
  }

  /** Sends a change to every node that is up to date; the others get it from the log later. */
  #tell(change: Change): void {
    let encoded: EncodedChanges | undefined
    for (const session of this.#sessions.values()) {
      const follows = session.socket !== undefined && session.sent === change.seq - 1
      if (!follows || change.seq - session.applied > coordinatorLimits.linkWindow) continue
      encoded ??= encodeChanges([change])!
      session.sendChanges(encoded)
    }
  }

  /** Continues after a node has confirmed changes: sends it more, and wakes what waits for it. */
  #advance(session: Session): void {
    const { seq } = this.#options.store
    if (session.sent < seq && session.sent - session.applied < coordinatorLimits.linkWindow / 2) {
      void this.#sendMore(session)
    }
    if (!session.isCurrent && session.applied === seq) {
      if (session.isKept) this.#admit(session)
      else void this.#keep(session)
    }
    this.#confirmations.wake()
  }

  /** Sends changes from the log that the node lacks. */
  async #sendMore(session: Session): Promise<void> {
    const { sent } = session
    await this.#busy(session, async () => {
      const changes = await this.#log.after(sent)
      if (changes && session.sent === sent) session.sendChanges(changes)
    })
  }

  async #keep(session: Session): Promise<void> {
    await this.#busy(session, async () => {
      await this.#options.store.addSession(session.token)
      session.isKept = true
    })
    if (session.hasEnded()) await this.#forget(session.token)
    else if (session.isKept) this.#advance(session)
  }

  /**
   * Runs one such work per session at a time. If it fails, the link is closed and the node
   * reconnects.
   */
  async #busy(session: Session, work: () => Promise<void>): Promise<void> {
    if (session.isBusy) return
    session.isBusy = true
    try {
      await work()
    } catch (error) {
      this.#options.logger.warn(`${session.peer.id} is cut off: ${describe(error)}`)
      session.socket?.terminate()
    } finally {
      session.isBusy = false
    }
  }

  /** Grants the metadata lease: the node has all changes, and every further change waits for it. */
  #admit(session: Session): void {
    if (!this.#options.store.leads()) return
    session.isCurrent = true
    const changing = this.#runner.modes.joined(session)
    if (changing.length > 0) session.drop(0, changing)
    session.renew()
    if (this.#absent.delete(session.token) && this.#absent.size === 0) void this.#start()
    this.#options.logger.info(`${session.peer.id} (${session.peer.url}) is here`)
    this.#peers.register(session)
  }

  /** Resolves when all nodes with a valid lease have applied a change. */
  #applied(seq: number): Promise<void> {
    return this.#confirmations.reached(seq, this.#sessions.values(), undefined)
  }

  /** Resolves when the node was sent, or has applied, all changes that an answer may depend on. */
  async #told(asker: Session): Promise<void> {
    const { seq } = this.#options.store
    if (asker.sent < seq) await this.#confirmations.reached(seq, [], asker)
  }

  /** The last change that all nodes with a valid lease have applied. */
  #confirmed(): number {
    let least = this.#options.store.seq
    const nowMs = monotonicMs()
    for (const session of this.#sessions.values()) {
      if (session.isCurrent && session.isTrustedAt(nowMs)) least = Math.min(least, session.applied)
    }
    return least
  }

  /** Ends the sessions of nodes whose metadata lease has expired. */
  #sweepSessions(): void {
    if (this.#isClosed) return
    const nowMs = monotonicMs()
    const wasAway =
      nowMs - this.#sweptMs > coordinatorLimits.linkRenewMs || !this.#options.store.leads()
    if (wasAway) this.#hearsUntilMs = nowMs + coordinatorLimits.linkTtlMs
    this.#sweptMs = nowMs
    for (const session of nowMs < this.#hearsUntilMs ? [] : this.#sessions.values()) {
      const isComing = !session.isCurrent && session.socket !== undefined
      if (!session.isTrusted && !isComing) this.#end(session)
    }
    this.#confirmations.wake()
    this.#peers.tellIfDue()
  }

  #end(session: Session): void {
    session.end()
    void this.#forget(session.token)
    if (this.#sessions.get(session.peer.id) === session) this.#sessions.delete(session.peer.id)
    this.#leases.drop(session)
    this.#writers.drop(session)
    this.#locks.drop(session)
    this.#runner.modes.left(session)
    session.held.clear()
    this.#options.logger.warn(`${session.peer.id} (${session.peer.url}) has left`)
    this.#peers.left(session)
    this.#orphans.settle(this.#sessions.values(), () => this.#confirmed())
    this.#confirmations.wake()
  }
}

/** Sends the reason to the node, which connects again later. */
function refuse(socket: WebSocket, error: unknown): void {
  socket.send(toWire({ kind: 'refused', error: errorToWire(error) }))
  socket.close()
}

function sessionEnded(): FsError {
  return new FsError('ESTALE', 'the session of this node has ended')
}
