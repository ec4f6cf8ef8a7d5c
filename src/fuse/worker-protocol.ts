/**
 * Messages between worker threads and the main thread, and their shared counters. A worker blocks
 * in read(2): it can send messages but receives none after its start, so whatever must throttle it
 * is a number in shared memory.
 *
 * Invariant: the main thread subtracts each count that a worker adds for a message once it has
 * finished with that message.
 */
import { fuseLimits } from './limits.ts'
import type { Suspension } from './handlers/waiting-requests.ts'
import type { CacheTimeouts } from './handlers/dispatcher.ts'

/** Data for a new worker; its only message is the descriptor of the mount. */
export interface WorkerSetup {
  /** URL of a module that exports `openFileSystem` (see fuse-worker.ts). */
  module: string
  data: unknown
  timeouts: CacheTimeouts
  /** Descriptor for the lines of the trace. */
  traceFd: number | undefined
  counters: SharedArrayBuffer
}

export type WorkerMessage =
  /** The file system is open; the worker waits for the mount. */
  | { kind: 'ready' }
  /** A suspended request, with its bytes (transferred). */
  | ({ kind: 'suspended'; request: Uint8Array<ArrayBuffer> } & Suspension)
  | { kind: 'interrupt'; unique: number }
  | { kind: 'hint'; message: unknown }
  | { kind: 'log'; line: string }
  /** The mount has ended; the worker ends. */
  | { kind: 'ended' }

const WAITING_REQUESTS = 0
const WAITING_KIB = 1
const HINTS = 2
const COUNTERS = 3

export class SharedCounters {
  readonly memory: SharedArrayBuffer
  readonly #counts: Int32Array<SharedArrayBuffer>

  constructor(memory = new SharedArrayBuffer(COUNTERS * 4)) {
    this.memory = memory
    this.#counts = new Int32Array(memory)
  }

  /**
   * Reserves room for a suspended request; blocks the thread for a bounded time until there is
   * some.
   */
  takeWaiting(sizeBytes: number): boolean {
    const until = Date.now() + fuseLimits.fuseHoldBackMs
    while (!this.#tryWaiting(kibOf(sizeBytes))) {
      const leftMs = until - Date.now()
      if (leftMs <= 0) return false
      const seen = Atomics.load(this.#counts, WAITING_REQUESTS)
      Atomics.wait(this.#counts, WAITING_REQUESTS, seen, Math.min(leftMs, 100))
    }
    return true
  }

  releaseWaiting(sizeBytes: number): void {
    Atomics.sub(this.#counts, WAITING_KIB, kibOf(sizeBytes))
    Atomics.sub(this.#counts, WAITING_REQUESTS, 1)
    Atomics.notify(this.#counts, WAITING_REQUESTS)
  }

  takeHint(): boolean {
    if (Atomics.add(this.#counts, HINTS, 1) < fuseLimits.fuseHintsInFlight) return true
    Atomics.sub(this.#counts, HINTS, 1)
    return false
  }

  releaseHint(): void {
    Atomics.sub(this.#counts, HINTS, 1)
  }

  #tryWaiting(kib: number): boolean {
    const requests = Atomics.add(this.#counts, WAITING_REQUESTS, 1)
    const total = Atomics.add(this.#counts, WAITING_KIB, kib)
    if (requests < fuseLimits.fuseWaitingRequests && total < fuseLimits.fuseWaitingKib) return true
    Atomics.sub(this.#counts, WAITING_KIB, kib)
    Atomics.sub(this.#counts, WAITING_REQUESTS, 1)
    return false
  }
}

function kibOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 1024)
}
