/**
 * A mounted file system: the mount, the worker threads that serve it, and the main thread, which
 * resumes suspended requests. `fuse/` depends only on the contract of the file system: workers
 * import it from a module that the caller names, and the main thread gets its own instance.
 *
 * Invariants: once `open` has resolved, the mount answers. Once `closed` has resolved, there is
 * neither mount nor thread. If a worker dies, the connection is aborted, so that programs get
 * errors instead of hanging. A process that exits normally takes its mount with it.
 */
import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { WaitResult } from '../base/suspended.ts'
import { describe } from '../base/fs-error.ts'
import { fuseLimits } from './limits.ts'
import { defaultCacheTimeouts, Dispatcher, type CacheTimeouts } from './handlers/dispatcher.ts'
import type { ServedFileSystem } from './handlers/exchange.ts'
import type { Negotiated } from './wire/handshake.ts'
import { KernelNotifier } from './kernel-notifier.ts'
import type { NotificationWriter } from './notification-thread.ts'
import {
  abortConnection,
  abortMountSync,
  deviceOf,
  mountFuse,
  unmountFuse,
  type FuseMount,
} from './mount/mount.ts'
import { traceTo } from './handlers/request-trace.ts'
import { WaitingRequests } from './handlers/waiting-requests.ts'
import { WorkerPool } from './worker-pool.ts'
import { SharedCounters, type WorkerMessage } from './worker-protocol.ts'

export interface FuseServerOptions {
  mountPoint: string
  /** First column of the mount table. */
  source: string
  /** Further options of mount(8), for example `ro`, `nosuid`. */
  mountOptions?: readonly string[]
  /**
   * The file system handles locks of fcntl(2) and flock(2); else the kernel does, for this mount.
   */
  remoteLocks?: boolean
  /** The file system may use passthrough (`Opened.backing`). */
  passthrough?: boolean
  /** The file system finds an inode by number as long as it exists (LOOKUP of `.` and `..`). */
  persistentInodes?: boolean
  /** The mount outlives this process: another process holds the connection open as well. */
  connection?: FuseConnection | undefined
  /** Instance for the main thread; its creator closes it. */
  fileSystem: ServedFileSystem
  worker: {
    /** Module that exports `openFileSystem` (`WorkerModule` in fuse-worker.ts). */
    module: URL
    /** Plain data for `openFileSystem`. */
    data?: unknown
    /** Number of threads; default 2. */
    count?: number
  }
  /**
   * Resolves the wait condition of a suspended operation, which then runs again. A rejection with
   * an FsError is the result of the operation. The signal aborts when the result is no longer
   * needed.
   */
  resolveWait(condition: unknown, how: { signal: AbortSignal }): Promise<WaitResult | undefined>
  /** Receives what the file system of a worker sent with `hint`. */
  onHint?(message: unknown): void
  /**
   * A worker died: the mount was aborted and the server is closing. A mount that outlives this
   * process is left as it is, for the next process to resume.
   */
  onFatal?(error: Error): void
  log?(line: string): void
  timeouts?: Partial<CacheTimeouts>
  /** Descriptor for one line per request (2: standard error), used until `closed`. */
  traceFd?: number
}

/** A connection that outlives this process; the next process resumes the mount. */
export interface FuseConnection {
  /** An open descriptor of /dev/fuse. */
  fd: number
  /** The mount of an earlier process on this connection. */
  resumed?: Omit<FuseMount, 'fd'> | undefined
  /** Writes notifications, which may block in the kernel; default: a thread of this process. */
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
      resolveWait: (condition, how) => options.resolveWait(condition, how),
      done: (sizeBytes) => this.#counters.releaseWaiting(sizeBytes),
      refused: (condition) => options.fileSystem.refused?.(condition),
    })
  }

  /** Mounts the file system and starts to serve it. */
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

  /** Number of suspended requests. */
  get waitingRequests(): number {
    return this.#waiting.size
  }

  /** Resolves when the mount and its threads have ended, whether by `close` or from outside. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /**
   * Invalidates attributes and cached pages of an inode from `offset` (`length` 0: to the end;
   * `offset` -1: attributes only). See kernel-notifier.ts for where not to await this.
   */
  invalidateInode(ino: number, offset = 0, length = 0): Promise<void> {
    return this.#notifier.invalidateInode(ino, offset, length)
  }

  /** Invalidates the attributes of an inode synchronously; this waits for no lock. */
  forgetAttributes(ino: number): void {
    if (!this.#gone) this.#notifier.forgetAttributes(ino)
  }

  /** Whether the kernel has an inode in memory; invalidates its attributes. */
  knowsInode(ino: number): boolean {
    return !this.#gone && this.#notifier.knowsInode(ino)
  }

  /** Invalidates the kernel's entry for a name, whether it caches it as present or absent. */
  invalidateEntry(parent: number, name: Uint8Array): Promise<void> {
    return this.#notifier.invalidateEntry(parent, name)
  }

  /** Unmounts and ends the threads within bounded time. May be called more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { forced } = await unmountFuse(this.#mount.mountPoint, this.#device)
    if (forced) this.#log(`${this.mountPoint} was in use and was unmounted by force`)
    if (await this.#endsWithin(fuseLimits.fuseThreadEndMs)) return
    // The mount was detached from outside while in use: the connection is still open.
    await abortConnection(this.#device)
    if (await this.#endsWithin(fuseLimits.fuseThreadEndMs)) return
    // Some threads are still reading the descriptor: it stays open, and they end with that read.
    void this.#pool.terminate()
    await Promise.race([
      this.#finish(),
      delay(fuseLimits.fuseThreadEndMs, undefined, { ref: false }),
    ])
    this.#closed.resolve()
  }

  #endsWithin(ms: number): Promise<boolean> {
    const ended = this.closed.then(() => true)
    return Promise.race([ended, delay(ms, false, { ref: false })])
  }

  #start(): void {
    const { connection } = this.#options
    if (!connection) process.on('exit', this.#onExit)
    // Before the threads start: it concerns requests that the earlier process has read.
    if (connection?.resumed) this.#notifier.resume(this.negotiated.minor)
    this.#pool.start(this.#mount.fd)
    void this.#pool.ended.then(() => this.#ended())
  }

  /** The mount has ended, and so have all threads that read from it. */
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
    // The descriptor may have been closed and its number reused.
    if (this.#gone) return
    if (message.kind === 'suspended') this.#waiting.add(message.request, message)
    else if (message.kind === 'interrupt') this.#waiting.interrupt(message.unique)
    else if (message.kind === 'log') this.#log(message.line)
    else if (message.kind === 'hint') this.#takeHint(message.message)
  }

  #takeHint(message: unknown): void {
    this.#counters.releaseHint()
    try {
      this.#options.onHint?.(message)
    } catch (error) {
      this.#log(`handling a hint failed: ${describe(error)}`)
    }
  }

  #fail(error: Error): void {
    this.#log(`a worker thread of ${this.mountPoint} died: ${error.stack ?? error.message}`)
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

/** State of worker messages that arrive before the server exists. */
interface Early {
  server: FuseServer | undefined
  failure: Error | undefined
}

function timeoutsOf(options: FuseServerOptions): CacheTimeouts {
  return { ...defaultCacheTimeouts, ...options.timeouts }
}
