/**
 * The worker threads of a mount, managed by the main thread. They start before the mount exists, so
 * that a file system that cannot be opened fails early; they serve once it exists and end with it.
 * Any other end of a worker is a failure, which is reported once through `onFailure`.
 */
import { Worker } from 'node:worker_threads'
import { FsError } from '../base/fs-error.ts'
import { cacheLimits } from '../cache/limits.ts'
import { siblingModule } from '../base/sibling-module.ts'
import type { WorkerMessage, WorkerSetup } from './worker-protocol.ts'

export interface WorkerPoolOptions {
  count: number
  onMessage(message: WorkerMessage): void
  onFailure(error: Error): void
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #workers = new Set<Worker>()
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers()
  #failed = false

  private constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** Starts the threads; resolves when each has opened its file system. */
  static async open(setup: WorkerSetup, options: WorkerPoolOptions): Promise<WorkerPool> {
    const { count } = options
    if (!Number.isInteger(count) || count < 1 || count > cacheLimits.fuseWorkers) {
      throw new FsError('EINVAL', `workers must be 1 to ${cacheLimits.fuseWorkers}, not ${count}`)
    }
    const pool = new WorkerPool(options)
    try {
      await Promise.all(Array.from({ length: count }, (_, n) => pool.#spawn(setup, n)))
      return pool
    } catch (error) {
      await pool.terminate()
      throw error
    }
  }

  /** Resolves when no thread is left. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** The threads read requests from `fd` from now on. */
  start(fd: number): void {
    for (const worker of this.#workers) worker.postMessage(fd)
  }

  /** Terminates threads that do not read the mount, or no longer do. */
  async terminate(): Promise<void> {
    this.#failed = true
    await Promise.all([...this.#workers].map((worker) => worker.terminate()))
  }

  #spawn(setup: WorkerSetup, n: number): Promise<void> {
    const url = siblingModule(import.meta.url, 'fuse-worker')
    const worker = new Worker(url, { workerData: setup, name: `fuse-worker-${n}` })
    this.#workers.add(worker)
    const state: ThreadState = { error: undefined, ended: false }
    const ready: PromiseWithResolvers<void> = Promise.withResolvers()
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') ready.resolve()
      else if (message.kind === 'ended') state.ended = true
      else this.#options.onMessage(message)
    })
    worker.on('error', (error: unknown) => (state.error = toError(error)))
    worker.on('exit', (code) => {
      this.#exited(worker, state, code)
      const why = new FsError('EIO', 'a worker thread failed to open the file system', {
        cause: state.error ?? new Error(`exit status ${code}`),
      })
      ready.reject(why)
    })
    return ready.promise
  }

  #exited(worker: Worker, state: ThreadState, code: number): void {
    this.#workers.delete(worker)
    if (this.#workers.size === 0) this.#ended.resolve()
    if (state.ended || this.#failed) return
    this.#failed = true
    this.#options.onFailure(state.error ?? new Error(`a worker thread exited with status ${code}`))
  }
}

interface ThreadState {
  error: Error | undefined
  ended: boolean
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
