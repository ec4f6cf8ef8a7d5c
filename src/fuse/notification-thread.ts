/**
 * Thread that writes notifications, which may block in the kernel for long. It belongs in a process
 * on which nothing depends: a killed process does not end before such a write returns.
 */
import { Worker } from 'node:worker_threads'
import { FsError } from '../base/fs-error.ts'
import { siblingModule } from '../base/sibling-module.ts'
import type { NotificationResult } from './notifier-worker.ts'

export interface NotificationWriter {
  /** Resolves when the kernel has accepted the message, with the error code if it failed. */
  write(message: Uint8Array): Promise<string | undefined>
  /** Call when the mount has ended: no write blocks any longer. */
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
      const error = new FsError('EIO', 'the notification thread died', { cause })
      for (const pending of this.#pending.values()) pending.reject(error)
      this.#pending.clear()
    })
    worker.unref()
    return worker
  }
}
