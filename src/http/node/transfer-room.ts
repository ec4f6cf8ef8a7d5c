/**
 * Bounds the memory of chunks that are being sent to peers, or received from them. While others
 * wait for room, a transfer that stalls or is below the lowest rate gives up its own: its
 * connection is closed, and the peer, whose call would time out anyway, uses another source. Peers
 * that stall therefore delay others by a second, not until they go away.
 *
 * Invariants: the memory of all transfers is within the bound. A transfer that makes steady
 * progress at the lowest rate is never closed, and neither is any while nobody waits.
 */
import { Semaphore, type Permit } from '../../base/async/semaphore.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { httpLimits } from '../limits.ts'

interface EnterOptions {
  signal: AbortSignal
  /** Closes the connection; the caller then disposes of the transfer. */
  close: () => void
}

export class TransferRoom {
  readonly #memory: Semaphore
  readonly #transfers = new Set<Transfer>()
  #timer: NodeJS.Timeout | undefined

  constructor(memoryBytes: number) {
    this.#memory = new Semaphore(memoryBytes, { maxWaiting: filesystemLimits.apiConnections })
  }

  /** Waits for room for `bytes` bytes. EAGAIN: too many are waiting. */
  async enter(bytes: number, { signal, close }: EnterOptions): Promise<Transfer> {
    const waiting = this.#memory.acquire(bytes, { signal })
    this.#watch()
    const transfer = new Transfer(await waiting, close, () => this.#transfers.delete(transfer))
    this.#transfers.add(transfer)
    return transfer
  }

  /** Runs while somebody waits. */
  #watch(): void {
    if (this.#memory.waiting === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      for (const transfer of this.#transfers) if (transfer.isSlow()) transfer.close()
      this.#watch()
    }, httpLimits.peerSlowPollMs)
  }
}

export class Transfer implements Disposable {
  readonly #permit: Permit
  readonly #onEnd: () => void
  readonly close: () => void
  /** Infinity while the peer waits for this node. */
  #startedMs = Infinity
  #progressMs = Infinity
  #doneBytes = 0

  constructor(permit: Permit, close: () => void, onEnd: () => void) {
    this.#permit = permit
    this.close = close
    this.#onEnd = onEnd
  }

  /** From now on this node waits for the peer. */
  start(): void {
    this.#startedMs = performance.now()
    this.#progressMs = this.#startedMs
  }

  /** The peer has taken, or sent, so many bytes since the start. */
  reached(bytes: number): void {
    this.#doneBytes = bytes
    this.#progressMs = performance.now()
  }

  /** The peer has taken, or sent, everything. */
  end(): void {
    this.#startedMs = Infinity
    this.#progressMs = Infinity
  }

  isSlow(): boolean {
    const { peerSlowMs } = httpLimits
    const nowMs = performance.now()
    const dueMs = this.#startedMs + this.#doneBytes / tiersLimits.peerBytesPerMsMin
    return nowMs - dueMs > peerSlowMs || nowMs - this.#progressMs > peerSlowMs
  }

  [Symbol.dispose](): void {
    this.#onEnd()
    this.#permit.release()
  }
}
