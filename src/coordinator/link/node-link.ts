/**
 * A node's connection to its coordinator: one WebSocket, reconnected forever, with random and
 * increasing pauses. Requests are numbered. Those without an answer when a connection breaks are
 * sent again on the next one, and are run once (coordinator/metadata-store.ts).
 *
 * Invariant: messages of the coordinator are handled strictly in order, so a change is applied
 * before the answer that depends on it is returned, and before the metadata lease is renewed.
 */
import type { OperationName, OperationResult } from '../../metadata/operations.ts'
import { checkResult } from './result-schema.ts'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket, type ClientOptions, type RawData } from 'ws'
import { orAborted } from '../../base/async/abort.ts'
import { monotonicMs } from '../../base/clock.ts'
import { FsError, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import type { SigningKey } from '../../base/signing-key.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { retry } from '../../base/async/retry.ts'
import { coordinatorLimits } from '../limits.ts'
import type { OutboxEntry } from '../../metadata/outbox-rules.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import type { ClusterClock } from '../../tiers/peers/cluster-clock.ts'
import { JOIN_HEADER, TOKEN_HEADER, TO_COORDINATOR } from '../../tiers/peers/node-token.ts'
import type { NodeTokens } from '../../tiers/peers/node-token.ts'
import type {
  AwayPeer,
  PeerRegistration,
  PeerReport,
  PeerStatus,
} from '../../tiers/peers/peer-status.ts'
import type { DomainLink } from '../../volume/cluster/replica-domains.ts'
import type { LockHolder, LockRequest } from '../../volume/locks/lock-service.ts'
import type {
  CoordinatorLink,
  LinkedNode,
  PerformOptions,
} from '../../volume/cluster/coordinator-link.ts'
import {
  LINK_PATH,
  LINK_VERSION,
  SNAPSHOT_PATH,
  errorFromWire,
  toWire,
  type CoordinatorMessage,
  type NodeMessage,
  type WireError,
} from './link-protocol.ts'
import { proofOf } from './link-door.ts'
import { fromCoordinator } from './message-schema.ts'
import type { LockChannel } from '../locks/link-locks.ts'
import { PeerList } from '../peers/peer-list.ts'
import { PendingRequests, type LinkRequest } from './pending-requests.ts'

export interface NodeLinkOptions {
  /** `host:port` of the coordinators, of which one leads; tried in turn. */
  addresses: readonly string[]
  /** Key of the cluster's API, and join token for new nodes, as far as this node has them. */
  apiKey?: string | undefined
  joinToken?: string | undefined
  /** Proves the identity of this node to the coordinator and to other nodes. */
  key: SigningKey
  tokens: NodeTokens
  /** Set from the coordinator's clock. */
  clock: ClusterClock
  peer: PeerRegistration
  /** Session of a mount that outlives its processes; the next process has what it was granted. */
  session?: { token: string; generation: number } | undefined
  /** File that receives a whole copy of the metadata. */
  snapshotFile: string
  /** Starts this process anew; the mount goes on. */
  restart: () => void
  /** Opens a connection; a WebSocket over TCP if it is not given. */
  dial?: (url: string, how: ClientOptions) => WebSocket
  logger: Logger
}

/** Larger than the number of requests that one process can make. */
const REQUESTS_PER_PROCESS = 2 ** 40

/** A node and its coordinator do not go together. EACCES: permanent, until one of them changes. */
class Refusal extends FsError {
  static sent(url: string, error: WireError): Refusal {
    const { code, message } = errorFromWire(error)
    const reason = message.replace(/^[A-Z0-9]+: /, '')
    return new Refusal(code, `the coordinator ${url} refuses this node: ${reason}`)
  }

  /** By the node, which would lose its own names. */
  static ofOtherNames(url: string): Refusal {
    const what = `the coordinator ${url} has the names of another volume, or has lost its own`
    const remedy = 'start it with its volume.db, or with a copy of the volume.db of this node'
    return new Refusal('EACCES', `${what}: ${remedy}`)
  }
}

/** The error for programs: their operations fail, and their data is kept. */
function refused({ message }: FsError): FsError {
  return new FsError('EIO', message.replace(/^[A-Z0-9]+: /, ''))
}

export class NodeLink implements CoordinatorLink, LockChannel, DomainLink {
  readonly #options: NodeLinkOptions
  readonly #failures: RepeatedLog
  readonly #session: string
  readonly #pending: PendingRequests
  readonly #stop = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  /** Index of the address that is tried or connected. */
  #at = 0
  #node: LinkedNode | undefined
  #socket: WebSocket | undefined
  #isWelcome = false
  #nonce: Uint8Array | undefined
  #refusal: FsError | undefined
  #store = ''
  #url = ''
  #ttlMs = 0
  #heardMs = 0
  #validUntil = 0
  #trustWaiters: (() => void)[] = []
  #running: Promise<void> | undefined
  #renewals: NodeJS.Timeout | undefined
  /** Source of the locks of this node's processes; set before there can be any. */
  lockHolder: LockHolder | undefined
  readonly #list = new PeerList()
  /** Time at which the coordinator was connected or lost. */
  since = new Date()

  constructor(options: NodeLinkOptions) {
    this.#options = options
    this.#failures = new RepeatedLog(options.logger)
    const { token = randomUUID(), generation = 0 } = options.session ?? {}
    this.#session = token
    this.#pending = new PendingRequests(generation * REQUESTS_PER_PROCESS)
    this.#first.promise.catch(() => undefined)
  }

  /** Nodes that are online, including this one. */
  get peers(): readonly PeerStatus[] {
    return this.#list.peers
  }

  /** Nodes that have left. */
  get away(): readonly AwayPeer[] {
    return this.#list.away
  }

  get peerId(): string {
    return this.#options.peer.id
  }

  get isConnected(): boolean {
    return this.#isWelcome
  }

  /** Why the coordinator refuses this node; undefined: it does not. */
  get refusal(): string | undefined {
    return this.#refusal?.message.replace(/^EACCES: /, '')
  }

  get url(): string {
    return `http://${this.#address}`
  }

  get #address(): string {
    const { addresses } = this.#options
    return addresses[this.#at % addresses.length]!
  }

  get isFirst(): boolean {
    const ids = this.peers.filter(({ state }) => state !== 'silent').map(({ id }) => id)
    return this.#isWelcome && ids.sort()[0] === this.peerId
  }

  async open(node: LinkedNode): Promise<void> {
    this.#node = node
    this.#running = this.#run()
    this.#renewals = setInterval(() => {
      this.#checkSilence()
      this.#renew()
    }, coordinatorLimits.linkRenewMs)
    await this.#first.promise
  }

  async close(): Promise<void> {
    clearInterval(this.#renewals)
    this.#stop.abort()
    this.#send({ kind: 'bye' })
    this.#socket?.close()
    this.#pending.failAll(new FsError('ECANCELED', 'the node is stopping'))
    await this.#running
  }

  async perform<K extends OperationName>(
    name: K,
    args: readonly unknown[],
    { signal, once }: PerformOptions = {},
  ): Promise<OperationResult<K>> {
    const request: LinkRequest = { kind: 'operation', name, args: [...args], once }
    return checkResult(name, await this.#ask(request, signal))
  }

  async sync(signal?: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'sync' }, signal)
  }

  async lease(ino: number, signal?: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'lease', ino }, signal)
  }

  async writing(ino: number): Promise<boolean> {
    // A malformed answer counts as no: a mapping is then refused, and a write asks again.
    return (await this.#ask({ kind: 'writing', ino }, undefined)) === true
  }

  written(inos: readonly number[]): void {
    this.#send({ kind: 'written', inos: [...inos] })
  }

  giveBack(inos: readonly number[]): void {
    this.#send({ kind: 'returned', inos: [...inos] })
  }

  dropped(request: number, used: readonly number[]): void {
    this.#send({ kind: 'dropped', request, used: [...used] })
  }

  returnDomains(domains: readonly number[]): void {
    this.#send({ kind: 'returnedDomains', domains: [...domains] })
  }

  sendOutbox(entries: readonly OutboxEntry[], isLate: boolean): void {
    const run = entries[0]!.run
    const sent = entries.map(({ id, name, args, created }) => ({ id, name, args, created }))
    this.#send({ kind: 'outbox', run, isLate, entries: sent })
  }

  async want(domain: number): Promise<unknown> {
    return await this.#ask({ kind: 'want', domain }, undefined)
  }

  closed(inos: readonly number[]): void {
    if (inos.length > 0) this.#send({ kind: 'closed', inos: [...inos] })
  }

  /** Announces the URL at which other nodes can reach this node from now on. */
  announce(url: string): void {
    this.#url = url
    this.#send({ kind: 'reachable', url })
  }

  status(report: PeerReport): void {
    this.#send({ kind: 'status', report })
  }

  async trusted(signal?: AbortSignal): Promise<void> {
    if (monotonicMs() < this.#validUntil) return
    this.#requireAdmitted()
    const renewed = Promise.withResolvers<void>()
    this.#trustWaiters.push(renewed.resolve)
    this.#renew()
    const bounds = [
      AbortSignal.timeout(coordinatorLimits.linkOperationMs),
      this.#stop.signal,
      ...(signal ? [signal] : []),
    ]
    const late = new FsError('ETIMEDOUT', `the coordinator ${this.#address} is away`)
    await orAborted(renewed.promise, AbortSignal.any(bounds), late)
  }

  askLock(
    condition: LockRequest,
    signal: AbortSignal | undefined,
    isEndless: boolean,
  ): Promise<unknown> {
    this.#requireAdmitted()
    if (!isEndless) return this.#ask({ kind: 'lock', condition }, signal)
    const { message, answer } = this.#pending.addEndless(
      { kind: 'lock', condition },
      signal,
      (id) => {
        if (this.#isWelcome) this.#send({ kind: 'cancel', id })
        return this.#isWelcome
      },
    )
    if (this.#isWelcome) this.#send(message)
    return answer
  }

  async #ask(request: LinkRequest, signal: AbortSignal | undefined): Promise<unknown> {
    this.#requireAdmitted()
    const late = `the coordinator ${this.#address} has not answered`
    const { message, answer } = this.#pending.add(request, { signal, late })
    if (this.#isWelcome) this.#send(message)
    return await answer
  }

  #requireAdmitted(): void {
    if (this.#refusal) throw refused(this.#refusal)
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  /** Connects, serves, and reconnects. */
  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!this.#isStopping()) {
      try {
        await retry(() => this.#connect(), {
          attempts: Infinity,
          baseMs: coordinatorLimits.linkRetryBaseMs,
          maxMs: coordinatorLimits.linkRetryMaxMs,
          signal,
          retryable: (error) => !(error instanceof FsError && error.code === 'EACCES'),
          onRetry: ({ error }) => {
            this.#at += 1
            this.#failures.warn('connect', describe(error))
          },
        })
      } catch (error) {
        this.#first.reject(error)
        if (this.#isStopping()) return
        this.#failures.error('refused', describe(error))
        if (error instanceof Refusal) this.#beRefused(error)
        const pauseMs = this.#refusal
          ? coordinatorLimits.linkRefusedMs
          : coordinatorLimits.linkRetryMaxMs
        await delay(pauseMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** The node is not admitted any more: its lease ends, and all requests fail. */
  #beRefused(refusal: FsError): void {
    this.#refusal = refusal
    this.#validUntil = 0
    this.#node!.trust(0)
    this.#pending.failAll(refused(refusal))
  }

  /** Credentials for the HTTP request; the link itself demands a proof in addition. */
  #headers(): Record<string, string> {
    const { apiKey, joinToken, tokens } = this.#options
    return {
      [TOKEN_HEADER]: tokens.for(TO_COORDINATOR),
      ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
      ...(joinToken === undefined ? {} : { [JOIN_HEADER]: joinToken }),
    }
  }

  /**
   * One connection from start to end; rejects if it was never established, or ended so soon that
   * the next attempt must wait.
   */
  async #connect(): Promise<void> {
    const address = this.#address
    const dial = this.#options.dial ?? ((url, how) => new WebSocket(url, how))
    const socket = dial(`ws://${address}${LINK_PATH}`, {
      headers: this.#headers(),
      handshakeTimeout: coordinatorLimits.linkConnectMs,
      maxPayload: coordinatorLimits.linkMessageBytes,
      perMessageDeflate: false,
    })
    const ended = Promise.withResolvers<void>()
    let queue = Promise.resolve()
    let welcomeMs = Infinity
    let refusal: Refusal | undefined
    socket.on('open', () => {
      this.#socket = socket
      this.#heardMs = monotonicMs()
    })
    socket.on('message', (data: RawData) => {
      this.#heardMs = monotonicMs()
      queue = queue.then(async () => {
        try {
          await this.#take(fromCoordinator(data as Buffer))
          if (this.#isWelcome) welcomeMs = Math.min(welcomeMs, monotonicMs())
        } catch (error) {
          if (error instanceof Refusal) refusal = error
          else this.#options.logger.error(`the coordinator's word: ${describe(error)}`)
          socket.terminate()
        }
      })
    })
    socket.on('unexpected-response', (_request, response) => {
      const refused = response.statusCode === 401 || response.statusCode === 403
      const why = refused
        ? 'it knows neither this node nor its -api-key or -join-token'
        : `it answered ${response.statusCode}`
      ended.reject(new FsError(refused ? 'EACCES' : 'EIO', `the coordinator ${address}: ${why}`))
      socket.terminate()
    })
    socket.on('error', (error) => {
      ended.reject(
        new FsError('EIO', `the coordinator ${address} cannot be reached`, { cause: error }),
      )
    })
    socket.on('close', () => {
      void queue.then(() => {
        if (this.#socket === socket) this.#lose()
        const lastedMs = monotonicMs() - welcomeMs
        if (lastedMs >= coordinatorLimits.linkRetryMaxMs) ended.resolve()
        else ended.reject(refusal ?? new FsError('EIO', `the coordinator ${address} hung up`))
      })
    })
    await ended.promise
  }

  #lose(): void {
    if (this.#isWelcome) {
      this.since = new Date()
      if (!this.#stop.signal.aborted)
        this.#options.logger.warn(`the coordinator ${this.url} is away`)
    }
    this.#isWelcome = false
    this.#socket = undefined
  }

  #hello(): void {
    const node = this.#node!
    const { store, seq, term } = node.state()
    const peer = { ...this.#options.peer, url: this.#url }
    const [leases, writing, held] = [node.leases(), node.writing(), node.held()]
    const locks = this.lockHolder?.held() ?? []
    const [protocol, session] = [LINK_VERSION, this.#session]
    const { domains } = node
    const exclusive = domains?.exclusive() ?? []
    const has = { leases, writing, held, locks, drops: domains !== undefined, exclusive }
    const { publicKey: key } = this.#options.key
    const proof = this.#options.key.sign(proofOf(this.#nonce!, { peer, session, key }))
    this.#send({ kind: 'hello', protocol, peer, key, proof, session, store, seq, term, ...has })
  }

  async #take(message: CoordinatorMessage): Promise<void> {
    const node = this.#node!
    switch (message.kind) {
      case 'challenge':
        this.#nonce = message.nonce
        this.#options.clock.set(message.nowMs)
        this.#hello()
        break
      case 'welcome':
        await this.#welcome(message)
        break
      case 'refused':
        throw Refusal.sent(this.url, message.error)
      case 'changes':
        await this.#apply(message.changes)
        break
      case 'result':
        // Before later messages are handled: the lease may be recalled immediately.
        if (message.leased !== undefined) node.leased(message.leased, message.mayMap)
        if (message.exclusive) node.domains?.granted(message.exclusive)
        this.#pending.settle(message, (request) => {
          if (request.kind === 'want') node.domains?.relied(request.domain)
        })
        break
      case 'renewed':
        this.#trust(message.at)
        break
      case 'recall':
        node.recalled(message.ino)
        break
      case 'drop':
        node.domains?.drop(message.request, message.domains)
        break
      case 'recallDomains':
        node.domains?.recalled(message.domains)
        break
      case 'lost':
        this.lockHolder?.lose(message.locks)
        break
      case 'peers':
        this.#list.take(message)
    }
  }

  async #welcome({
    store,
    snapshot,
    isAhead,
    isResumed,
    ttlMs,
  }: CoordinatorMessage & { kind: 'welcome' }): Promise<void> {
    this.#store = store
    this.#ttlMs = ttlMs
    if (isAhead) await this.#leaveHistory(store)
    if (snapshot) {
      await this.#takeSnapshot(isAhead)
      this.#hello()
      return
    }
    this.#isWelcome = true
    this.#node!.domains?.welcome(isResumed)
    this.#refusal = undefined
    this.since = new Date()
    this.#options.logger.info(`the coordinator ${this.url} is connected`)
    for (const request of this.#pending.all()) this.#send(request)
    this.#renew()
  }

  /**
   * The names of this node and those of the coordinator have different histories. A process in
   * which programs use the old names cannot go on with the others.
   */
  async #leaveHistory(store: string): Promise<void> {
    const { logger, restart } = this.#options
    const node = this.#node!
    if (node.state().store !== store) throw Refusal.ofOtherNames(this.url)
    logger.error(
      `the names of the coordinator ${this.url} are from an older backup: this node takes them, ` +
        'and keeps its own in conflicts/',
    )
    if (!node.isInUse) return
    restart()
    await new Promise(() => undefined)
  }

  async #apply(changes: (CoordinatorMessage & { kind: 'changes' })['changes']): Promise<void> {
    const last = changes.at(-1)
    if (last === undefined) return
    const node = this.#node!
    const { seq } = node.state()
    const fresh = changes.filter((change) => change.seq > seq)
    if (fresh[0] && fresh[0].seq !== seq + 1) throw new FsError('EIO', 'a change is missing')
    await node.apply(this.#store, fresh)
    this.#send({ kind: 'applied', seq: last.seq, held: node.heldOf(fresh) })
  }

  /** Fetches a whole copy of the metadata instead of the changes since. */
  async #takeSnapshot(isAhead: boolean): Promise<void> {
    const { snapshotFile, logger } = this.#options
    logger.info('taking a whole copy of the metadata')
    const signal = AbortSignal.any([
      this.#stop.signal,
      AbortSignal.timeout(coordinatorLimits.snapshotMs),
    ])
    const how = { headers: this.#headers(), signal }
    const response = await fetch(`${this.url}${SNAPSHOT_PATH}`, how)
    if (!response.ok || response.body === null) {
      throw new FsError('EIO', `a copy of the metadata: ${this.url} answered ${response.status}`)
    }
    try {
      // Not through a link, nor into a pipe.
      await rm(snapshotFile, { force: true })
      const file = createWriteStream(snapshotFile, { flags: 'wx', mode: 0o600 })
      await pipeline(Readable.fromWeb(response.body), file, { signal })
      await this.#node!.takeOver(snapshotFile, isAhead)
    } finally {
      await rm(snapshotFile, { force: true })
    }
  }

  /**
   * Closes a silent connection: the network may deliver nothing on it, and work on another.
   */
  #checkSilence(): void {
    const isOnly = this.#options.addresses.length === 1
    const patienceMs = isOnly ? coordinatorLimits.linkTtlMs : coordinatorLimits.linkSilentMs
    if (!this.#isWelcome || monotonicMs() - this.#heardMs <= patienceMs) return
    this.#at += 1
    this.#socket?.terminate()
  }

  #renew(): void {
    if (this.#isWelcome) this.#send({ kind: 'renew', at: monotonicMs() })
  }

  /** Counts the lease from the request; the coordinator counts from its arrival, which is later. */
  #trust(at: number): void {
    const ms = this.#ttlMs * (1 - metadataLimits.linkClockDrift) - coordinatorLimits.linkKernelMs
    this.#validUntil = at + ms
    this.#node!.trust(this.#validUntil)
    this.#node!.domains?.current()
    this.#first.resolve()
    const waiters = this.#trustWaiters
    this.#trustWaiters = []
    for (const wake of waiters) wake()
  }

  #send(message: NodeMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(toWire(message))
  }
}
