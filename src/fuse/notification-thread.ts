/**
 * A thread that writes notifications to the kernel, which may wait for long there. It belongs where
 * nothing else hangs on it: a process that is killed does not end before such a wait does.
 */
import { Worker } from 'node:worker_threads'
import { FsError } from '../base/fs-error.ts'
import { siblingModule } from '../base/sibling-module.ts'
import type { NotificationResult } from './notifier-worker.ts'

export interface NotificationWriter {
  /** Resolves when the kernel has taken it, with Node's name of what went wrong, if anything. */
  write(message: Uint8Array): Promise<string | undefined>
  /** To be called when the mount has gone: nothing waits any more then. */
  close(): Promise<void>
}

export class NotificationThread implements NotificationWriter {
  readonly #fd: number
  readonly #pending = new Map<number, PromiseWithResolvers<string | undefined>>()
  #worker: Worker | undefined
  #nextId = 1

  constructor(fd: number) {
    this.#fd = fd
  }

  async write(message: Uint8Array): Promise<string | undefined> {
    const worker = (this.#worker ??= this.#start())
    const id = this.#nextId++
    const pending: PromiseWithResolvers<string | undefined> = Promise.withResolvers()
    this.#pending.set(id, pending)
    worker.postMessage({ id, message })
    return await pending.promise
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
    for (const pending of this.#pending.values()) pending.resolve(undefined)
    this.#pending.clear()
  }

  #start(): Worker {
    const url = siblingModule(import.meta.url, 'notifier-worker')
    const worker = new Worker(url, { workerData: { fd: this.#fd }, name: 'fuse-notifier' })
    worker.on('message', ({ id, code }: NotificationResult) => {
      this.#pending.get(id)?.resolve(code)
      this.#pending.delete(id)
    })
    worker.on('error', (cause) => {
      this.#worker = undefined
      const error = new FsError('EIO', 'the thread that notifies the kernel has died', { cause })
      for (const pending of this.#pending.values()) pending.reject(error)
      this.#pending.clear()
    })
    worker.unref()
    return worker
  }
}
