/**
 * A mounted file system: the mount, the worker threads that answer it, and the main thread's part,
 * which is everything that may wait. `fuse/` knows the file system only by its contract: workers
 * import it from a module the caller names, the main thread is given an instance of its own.
 *
 * Invariants: once `open` has resolved the mount answers; once `closed` has resolved there is no
 * mount and no thread; if a worker dies the connection is aborted, so that programs get errors
 * rather than hang. A process that exits in any orderly way takes its mount with it.
 */
import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Outcome } from '../base/blocked.ts'
import { describe } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { defaultCacheTimeouts, Dispatcher, type CacheTimeouts } from './dispatcher.ts'
import type { ServedFileSystem } from './exchange.ts'
import type { Negotiated } from './handshake.ts'
import { KernelNotifier } from './kernel-notifier.ts'
import type { NotificationWriter } from './notification-thread.ts'
import {
  abortConnection,
  abortMountSync,
  deviceOf,
  mountFuse,
  unmountFuse,
  type FuseMount,
} from './mount.ts'
import { traceTo } from './request-trace.ts'
import { WaitingRequests } from './waiting-requests.ts'
import { WorkerPool } from './worker-pool.ts'
import { SharedCounters, type WorkerMessage } from './worker-protocol.ts'

export interface FuseServerOptions {
  mountPoint: string
  /** First column of the mount table. */
  source: string
  /** Further options of mount(8), e.g. `ro`, `nosuid`. */
  mountOptions?: readonly string[]
  /** The file system keeps the locks of fcntl(2) and flock(2), not the kernel for this mount. */
  remoteLocks?: boolean
  /** The file system may have the kernel read files by itself (`Opened.backing`). */
  passthrough?: boolean
  /** It finds inodes by number for as long as they exist (LOOKUP of `.` and `..`). */
  lastingInodes?: boolean
  /** The mount outlives this process, by way of somebody who holds its connection open as well. */
  connection?: FuseConnection | undefined
  /** The main thread's instance; closed by whoever made it. */
  fileSystem: ServedFileSystem
  worker: {
    /** A module that exports `openFileSystem` (`WorkerModule` in fuse-worker.ts). */
    module: URL
    /** Plain data for it. */
    data?: unknown
    /** Threads; 2 by default. */
    count?: number
  }
  /**
   * Brings about what an operation was `Blocked` by; it is then run again. A rejection with an
   * FsError is the operation's answer. The signal says that nobody waits any longer.
   */
  satisfy(need: unknown, how: { signal: AbortSignal }): Promise<Outcome | undefined>
  /** What a worker's file system sent with `hint`. */
  onHint?(message: unknown): void
  /**
   * A worker died. The mount has been cut off and the server is closing; one that outlives this
   * process is left as it is, to be resumed when this process has ended.
   */
  onFatal?(error: Error): void
  log?(line: string): void
  timeouts?: Partial<CacheTimeouts>
  /** A line for every request goes to this descriptor (2: standard error), until `closed`. */
  traceFd?: number
}

/** A connection that lives on when this process dies; its successor resumes the mount. */
export interface FuseConnection {
  /** An open /dev/fuse. */
  fd: number
  /** What a process that died had mounted on it. */
  resumed?: Omit<FuseMount, 'fd'> | undefined
  /** Writes what may wait in the kernel; undefined: a thread of this process does. */
  notifications?: NotificationWriter | undefined
}

const DEFAULT_WORKERS = 2

export class FuseServer {
  readonly #options: FuseServerOptions
  readonly #mount: FuseMount
  readonly #device: string | undefined
  readonly #pool: WorkerPool
  readonly #counters: SharedCounters
  readonly #waiting: WaitingRequests
  readonly #notifier: KernelNotifier
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers()
  #closing: Promise<void> | undefined
  #gone = false
  readonly #onExit = (): void => abortMountSync(this.#mount.mountPoint, this.#device)

  private constructor(options: FuseServerOptions, parts: ServerParts) {
    this.#options = options
    this.#mount = parts.mount
    this.#device = deviceOf(parts.mount.mountPoint)
    this.#pool = parts.pool
    this.#counters = parts.counters
    this.#notifier = new KernelNotifier(parts.mount.fd, options.connection?.notifications)
    this.#waiting = new WaitingRequests({
      dispatcher: this.#newDispatcher(),
      satisfy: (need, how) => options.satisfy(need, how),
      done: (sizeBytes) => this.#counters.releaseWaiting(sizeBytes),
      refused: (need) => options.fileSystem.refused?.(need),
    })
  }

  /** Mounts and serves. */
  static async open(options: FuseServerOptions): Promise<FuseServer> {
    const counters = new SharedCounters()
    const early: Early = { server: undefined, failure: undefined }
    const setup = {
      module: options.worker.module.href,
      data: options.worker.data,
      timeouts: timeoutsOf(options),
      traceFd: options.traceFd,
      counters: counters.memory,
    }
    const pool = await WorkerPool.open(setup, {
      count: options.worker.count ?? DEFAULT_WORKERS,
      onMessage: (message) => {
        if (early.server !== undefined) early.server.#take(message)
      },
      onFailure: (error) => {
        early.failure = error
        if (early.server !== undefined) early.server.#fail(error)
      },
    })
    try {
      const mount = await mountOrResume(options)
      const server = new FuseServer(options, { mount, pool, counters })
      early.server = server
      server.#start()
      if (early.failure !== undefined) server.#fail(early.failure)
      return server
    } catch (error) {
      await pool.terminate()
      throw error
    }
  }

  get mountPoint(): string {
    return this.#mount.mountPoint
  }

  get negotiated(): Negotiated {
    return this.#mount.negotiated
  }

  /** Requests that wait for something slow at this moment. */
  get waitingRequests(): number {
    return this.#waiting.size
  }

  /** Resolves when the mount and its threads have gone, by `close` or from outside. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /**
   * The kernel forgets attributes and cached pages of an inode from `offset` on (`length` 0: to the
   * end; `offset` -1: attributes only). See kernel-notifier.ts for where not to await this.
   */
  invalidateInode(ino: number, offset = 0, length = 0): Promise<void> {
    return this.#notifier.invalidateInode(ino, offset, length)
  }

  /** The kernel forgets the attributes of an inode, before this returns: it waits for no lock. */
  forgetAttributes(ino: number): void {
    if (!this.#gone) this.#notifier.forgetAttributes(ino)
  }

  /** Whether the kernel has an inode in memory; drops its attributes. */
  knowsInode(ino: number): boolean {
    return !this.#gone && this.#notifier.knowsInode(ino)
  }

  /** The kernel forgets what it knows about a name, present or absent. */
  invalidateEntry(parent: number, name: Uint8Array): Promise<void> {
    return this.#notifier.invalidateEntry(parent, name)
  }

  /** Unmounts and ends the threads, in bounded time; may be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { forced } = await unmountFuse(this.#mount.mountPoint, this.#device)
    if (forced) this.#log(`${this.mountPoint} was in use: taken from the programs that use it`)
    if (await this.#endsWithin(limits.fuseThreadEndMs)) return
    // Detached by someone else while in use: the connection outlived the mount.
    await abortConnection(this.#device)
    if (await this.#endsWithin(limits.fuseThreadEndMs)) return
    // Threads that still read the descriptor: it stays open, and they end when their read does.
    void this.#pool.terminate()
    await Promise.race([this.#finish(), delay(limits.fuseThreadEndMs, undefined, { ref: false })])
    this.#closed.resolve()
  }

  #endsWithin(ms: number): Promise<boolean> {
    const ended = this.closed.then(() => true)
    return Promise.race([ended, delay(ms, false, { ref: false })])
  }

  #start(): void {
    const { connection } = this.#options
    if (!connection) process.on('exit', this.#onExit)
    // First: it concerns what was read by others, and not what these threads are about to read.
    if (connection?.resumed) this.#notifier.resume(this.negotiated.minor)
    this.#pool.start(this.#mount.fd)
    void this.#pool.ended.then(() => this.#ended())
  }

  /** The mount has gone, and every thread that read from it. */
  async #ended(): Promise<void> {
    await this.#finish()
    this.#gone = true
    closeSync(this.#mount.fd)
    this.#closed.resolve()
  }

  async #finish(): Promise<void> {
    process.off('exit', this.#onExit)
    await this.#waiting.close()
    await this.#notifier.close()
  }

  #take(message: WorkerMessage): void {
    // The descriptor's number may belong to something else by now.
    if (this.#gone) return
    if (message.kind === 'blocked') this.#waiting.add(message.request, message.need)
    else if (message.kind === 'interrupt') this.#waiting.interrupt(message.unique)
    else if (message.kind === 'log') this.#log(message.line)
    else if (message.kind === 'hint') this.#takeHint(message.message)
  }

  #takeHint(message: unknown): void {
    this.#counters.releaseHint()
    try {
      this.#options.onHint?.(message)
    } catch (error) {
      this.#log(`a hint was not understood: ${describe(error)}`)
    }
  }

  #fail(error: Error): void {
    this.#log(`a worker died, under ${this.mountPoint}: ${error.stack ?? error.message}`)
    if (this.#options.connection) {
      this.#options.onFatal?.(error)
      return
    }
    abortMountSync(this.#mount.mountPoint, this.#device)
    this.#options.onFatal?.(error)
    void this.close()
  }

  #newDispatcher(): Dispatcher {
    return new Dispatcher({
      fd: this.#mount.fd,
      fileSystem: this.#options.fileSystem,
      timeouts: timeoutsOf(this.#options),
      interrupt: (unique) => this.#waiting.interrupt(unique),
      log: (line) => this.#log(line),
      trace: traceTo(this.#options.traceFd),
    })
  }

  #log(line: string): void {
    if (this.#options.log !== undefined) this.#options.log(line)
    else process.stderr.write(`[FUSE] ${line}\n`)
  }
}

async function mountOrResume(options: FuseServerOptions): Promise<FuseMount> {
  const { connection, mountOptions, ...others } = options
  if (connection?.resumed) return { ...connection.resumed, fd: connection.fd }
  return await mountFuse({ ...others, options: mountOptions, fd: connection?.fd })
}

interface ServerParts {
  mount: FuseMount
  pool: WorkerPool
  counters: SharedCounters
}

/** What workers say before the server exists. */
interface Early {
  server: FuseServer | undefined
  failure: Error | undefined
}

function timeoutsOf(options: FuseServerOptions): CacheTimeouts {
  return { ...defaultCacheTimeouts, ...options.timeouts }
}
