/**
 * The registry of nodes that are online. A node registers, then reports every few seconds; one that
 * was silent for a minute is dropped. The REST API and the links of nodes share one registry.
 *
 * Invariants: times are monotonic, so that setting the clock drops no node. A registration is in
 * the store before `register` returns; later reports reach the store with `save`. After a restart
 * every node in the store is listed again and has a minute to report. Listeners are called for
 * every change of URL or state, not for every report.
 */
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import type {
  AwayPeer,
  PeerRegistration,
  PeerReport,
  PeerStatus,
} from '../../tiers/peers/peer-status.ts'
import { shuffled } from '../../tiers/peers/shuffle.ts'
import type { PeerStore, StoredPeer } from './peer-store.ts'

export interface PeerChange {
  /** Moved: the same node with another URL. Left: dropped because it was silent, or removed. */
  kind: 'joined' | 'moved' | 'state' | 'left'
  peer: PeerStatus
}

export type PeerListener = (change: PeerChange) => void

export interface PeerRegistryOptions {
  store: PeerStore
  /** Monotonic, ms. */
  nowMs?: () => number
}

interface Peer extends StoredPeer {
  heardMs: number
  /** The state that listeners were last called with. */
  state: PeerStatus['state']
}

const NO_REPORT: PeerReport = {
  health: 'ok',
  usedBytes: 0,
  capacityBytes: 0,
  hits: 0,
  misses: 0,
  peerHits: 0,
  peerBytes: 0,
  cloudReads: 0,
  cloudBytes: 0,
  backlogBytes: 0,
  backlogAgeMs: 0,
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const VERSION = /^[\w.+-]{0,64}$/

export class PeerRegistry {
  readonly #store: PeerStore
  readonly #nowMs: () => number
  readonly #peers = new Map<string, Peer>()
  /** Ids whose rows in the store are out of date. */
  readonly #unsaved = new Set<string>()
  readonly #listeners = new Set<PeerListener>()
  /** Connected nodes: only what they send over their own links counts. */
  readonly #linked = new Set<string>()
  /** Nodes that were dropped and have not returned; oldest first. */
  readonly #away = new Map<string, AwayPeer>()
  #isAwaySaved = true
  /** Whether a node has joined with a key; then only its link can report its URL and state. */
  hasJoined: (id: string) => boolean = () => false

  constructor({ store, nowMs = () => performance.now() }: PeerRegistryOptions) {
    this.#store = store
    this.#nowMs = nowMs
    for (const peer of store.loadAway()) this.#away.set(peer.id, peer)
    for (const stored of store.load()) {
      const report = { ...NO_REPORT, ...stored.report }
      this.#peers.set(stored.id, { ...stored, report, heardMs: nowMs(), state: report.health })
    }
  }

  /**
   * Registers a node, or updates it. EINVAL: the registration is malformed. EACCES: the node is
   * connected or has joined, and this did not arrive over its link (`isLink`).
   */
  register(registration: PeerRegistration, isLink = false): PeerStatus {
    const { id, capacityBytes, version } = registration
    const url = checkRegistration(registration)
    if (!isLink) this.checkUnlinked(id)
    else this.#linked.add(id)
    if (this.#peers.size >= tiersLimits.peers) this.sweep()
    const old = this.#present(id)
    if (old === undefined && this.#peers.size >= tiersLimits.peers) {
      throw new FsError('EAGAIN', `${tiersLimits.peers} nodes are registered, and no more fit`)
    }
    const report = { ...(old?.report ?? NO_REPORT), capacityBytes }
    const registeredAt = new Date().toISOString()
    const stored = { id, url, version, registeredAt, report }
    this.#store.save([stored])
    const peer: Peer = { ...stored, heardMs: this.#nowMs(), state: report.health }
    this.#unsaved.delete(id)
    this.#peers.set(id, peer)
    if (this.#away.delete(id)) this.#isAwaySaved = false
    if (old === undefined) this.#tell('joined', peer)
    else if (old.url !== url) this.#tell('moved', peer)
    else if (old.state !== peer.state) this.#tell('state', peer)
    return this.#statusOf(peer)
  }

  /**
   * Updates a node's report; omitted fields keep their values. ENOENT: it must register (again).
   */
  status(id: string, report: Partial<PeerReport>, isLink = false): PeerStatus {
    if (!isLink) this.checkUnlinked(id)
    const peer = this.#present(id)
    if (peer === undefined) {
      throw new FsError('ENOENT', `no node ${id} is registered here: register it first`)
    }
    peer.report = merge(peer.report, report)
    this.#unsaved.add(id)
    this.#hear(peer)
    return this.#statusOf(peer)
  }

  /** Records contact with a node without a report. */
  heard(id: string): void {
    const peer = this.#present(id)
    if (peer !== undefined) this.#hear(peer)
  }

  /** Removes a node that is not part of the cluster any more. */
  forget(id: string): void {
    this.#linked.delete(id)
    if (this.#present(id) !== undefined) this.#remove(id)
    if (this.#away.delete(id)) this.#isAwaySaved = false
  }

  /** ENOENT: there is no such node. */
  remove(id: string): void {
    this.checkUnlinked(id)
    this.#remove(id)
  }

  #remove(id: string): void {
    const peer = this.#present(id)
    if (peer === undefined) throw new FsError('ENOENT', `no node ${id} is registered here`)
    this.#store.remove([id])
    this.#drop(peer)
  }

  /** The link of a node has ended for good. */
  unlink(id: string): void {
    this.#linked.delete(id)
  }

  get(id: string): PeerStatus | undefined {
    const peer = this.#present(id)
    return peer && this.#statusOf(peer)
  }

  /** Ordered by id. */
  list(): PeerStatus[] {
    this.sweep()
    const statuses = [...this.#peers.values()].map((peer) => this.#statusOf(peer))
    return statuses.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Nodes that have left, longest first; for at most `awayPeerMs`. */
  away(): AwayPeer[] {
    const fromMs = Date.now() - coordinatorLimits.awayPeerMs
    return [...this.#away.values()].filter(({ since }) => Date.parse(since) >= fromMs)
  }

  /** Some nodes that are not silent, in random order. */
  any(count: number, except?: string): PeerStatus[] {
    const able = this.list().filter(({ id, state }) => state !== 'silent' && id !== except)
    return shuffled(able).slice(0, count)
  }

  /** Calls the listener until the returned function is called. A listener must not throw. */
  onChange(listener: PeerListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Drops nodes that have been silent for too long. */
  sweep(): void {
    for (const peer of this.#peers.values()) {
      if (this.#isStale(peer)) this.#drop(peer)
      else this.#noteState(peer)
    }
  }

  /** Saves reports and dropped nodes since the last call to the store. */
  save(): void {
    if (!this.#isAwaySaved) this.#store.saveAway(this.away())
    this.#isAwaySaved = true
    const ids = [...this.#unsaved]
    if (ids.length === 0) return
    this.#store.save(ids.flatMap((id) => this.#peers.get(id) ?? []))
    this.#store.remove(ids.filter((id) => !this.#peers.has(id)))
    this.#unsaved.clear()
  }

  /** EACCES if only the node itself may report this, over its link. */
  checkUnlinked(id: string): void {
    if (!this.#linked.has(id) && !this.hasJoined(id)) return
    throw new FsError('EACCES', `${id} is a node of the cluster: it alone says where and how it is`)
  }

  #present(id: string): Peer | undefined {
    const peer = this.#peers.get(id)
    if (peer === undefined || !this.#isStale(peer)) return peer
    this.#drop(peer)
    return undefined
  }

  #hear(peer: Peer): void {
    peer.heardMs = this.#nowMs()
    this.#noteState(peer)
  }

  #noteState(peer: Peer): void {
    const state = this.#isSilent(peer) ? 'silent' : peer.report.health
    if (state === peer.state) return
    peer.state = state
    this.#tell('state', peer)
  }

  #drop(peer: Peer): void {
    this.#peers.delete(peer.id)
    this.#unsaved.add(peer.id)
    this.#noteAway(peer)
    this.#tell('left', peer)
  }

  #noteAway({ id, url, heardMs }: Peer): void {
    const since = new Date(Date.now() - (this.#nowMs() - heardMs)).toISOString()
    this.#away.delete(id)
    this.#away.set(id, { id, url, since })
    this.#isAwaySaved = false
    const [oldest] = this.#away.keys()
    if (this.#away.size > coordinatorLimits.awayPeers && oldest !== undefined)
      this.#away.delete(oldest)
  }

  #isStale({ heardMs }: Peer): boolean {
    return this.#nowMs() - heardMs >= tiersLimits.peerStaleMs
  }

  #isSilent({ heardMs }: Peer): boolean {
    return this.#nowMs() - heardMs >= coordinatorLimits.peerSilentMs
  }

  #statusOf({ id, url, version, registeredAt, report, state, heardMs }: Peer): PeerStatus {
    const silentMs = Math.round(this.#nowMs() - heardMs)
    return { id, url, version, state, registeredAt, silentMs, ...report }
  }

  #tell(kind: PeerChange['kind'], peer: Peer): void {
    const change = { kind, peer: this.#statusOf(peer) }
    for (const listener of this.#listeners) listener(change)
  }
}

/** Returns the URL as it is stored: without a slash at its end. */
function checkRegistration({ id, url, capacityBytes, version }: PeerRegistration): string {
  if (!ID.test(id)) {
    throw invalid('an id is up to 63 letters, digits, dots, dashes and underscores')
  }
  if (!VERSION.test(version)) throw invalid('a version is up to 64 letters, digits, dots, dashes')
  checkNumber('capacityBytes', capacityBytes)
  const parsed = URL.parse(url)
  const isPlain = parsed !== null && parsed.username === '' && parsed.search + parsed.hash === ''
  if (!isPlain || !/^https?:$/.test(parsed.protocol) || url.length > tiersLimits.peerUrlBytes) {
    throw invalid('a url is where other nodes reach the API: http://HOST:PORT')
  }
  return parsed.href.replace(/\/+$/, '')
}

/** Takes only the fields of a report; further fields of a newer version are dropped. */
function merge(old: PeerReport, news: Partial<PeerReport>): PeerReport {
  const { health: before, ...numbers } = old
  const health = news.health ?? before
  if (!['ok', 'degraded'].includes(health)) throw invalid('health is ok or degraded')
  for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) {
    const value = news[name]
    if (value === undefined) continue
    checkNumber(name, value)
    numbers[name] = value
  }
  return { ...numbers, health }
}

function checkNumber(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0 || value > Number.MAX_SAFE_INTEGER) {
    throw invalid(`${name} is a number from 0 to 2^53 - 1`)
  }
}

function invalid(message: string): FsError {
  return new FsError('EINVAL', message)
}
