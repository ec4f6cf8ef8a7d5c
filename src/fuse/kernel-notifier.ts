/**
 * Tells the kernel to forget what changed behind its back. Writing such a message takes the locks
 * of what it names (pages of an inode; the directory of an entry), and waits for requests that hold
 * them, also for those that wait on the main thread for something slow. So the main thread must
 * never write one itself, or nobody would finish what it waits for: a thread of its own does.
 *
 * For callers: a returned promise resolves when the kernel has forgotten, which may take as long as
 * a request on the same inode takes. Never await it as a part of satisfying such a request.
 */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { siblingModule } from '../base/sibling-module.ts'
import { entryInvalidation, inodeInvalidation, newEpoch, resend } from './notification.ts'
import type { NotificationResult } from './notifier-worker.ts'

/** The kernel had nothing cached, or the mount has gone: nothing is left to forget. */
const FINE = new Set(['ENOENT', 'ENODEV', 'ENOTDIR', 'ECONNABORTED', 'ENOTCONN'])

/** First minor version of the protocol that can forget all names. */
const EPOCH_MINOR = 44

export class KernelNotifier {
  readonly #fd: number
  readonly #pending = new Map<number, PromiseWithResolvers<void>>()
  #worker: Worker | undefined
  #closed = false
  #nextId = 1

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Pages from `offset` on (`length` 0: to the end) and attributes; `offset` -1: only those. */
  async invalidateInode(ino: number, offset: number, length: number): Promise<void> {
    await this.#send(inodeInvalidation(ino, offset, length))
  }

  /** Attributes alone take no lock that a request holds: any thread may say so, at once. */
  forgetAttributes(ino: number): void {
    if (this.#closed) return
    try {
      writeSync(this.#fd, inodeInvalidation(ino, -1, 0))
    } catch (error) {
      if (!FINE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }

  /**
   * The process that served the mount has died: what it did not answer is asked again. What it was
   * about to tell of names, nobody knows; kernels before 7.44 forget them in their own time.
   */
  resume(minor: number): void {
    writeSync(this.#fd, resend())
    if (minor >= EPOCH_MINOR) writeSync(this.#fd, newEpoch())
  }

  async invalidateEntry(parent: number, name: Uint8Array): Promise<void> {
    await this.#send(entryInvalidation(parent, name))
  }

  /** To be called when the mount has gone: a thread that waits for its locks is free then. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
    for (const pending of this.#pending.values()) pending.resolve()
    this.#pending.clear()
  }

  async #send(message: Uint8Array): Promise<void> {
    if (this.#closed) return
    if (this.#pending.size >= limits.fuseNotificationsInFlight) {
      throw new FsError('EAGAIN', `${this.#pending.size} notifications already wait for the kernel`)
    }
    const worker = (this.#worker ??= this.#start())
    const id = this.#nextId++
    const pending: PromiseWithResolvers<void> = Promise.withResolvers()
    this.#pending.set(id, pending)
    worker.postMessage({ id, message })
    await pending.promise
  }

  #start(): Worker {
    const url = siblingModule(import.meta.url, 'notifier-worker')
    const worker = new Worker(url, { workerData: { fd: this.#fd }, name: 'fuse-notifier' })
    worker.on('message', (result: NotificationResult) => this.#settle(result))
    worker.on('error', (cause) => {
      this.#worker = undefined
      const error = new FsError('EIO', 'the thread that notifies the kernel has died', { cause })
      for (const pending of this.#pending.values()) pending.reject(error)
      this.#pending.clear()
    })
    worker.unref()
    return worker
  }

  #settle({ id, code }: NotificationResult): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (code === undefined || FINE.has(code)) pending?.resolve()
    else pending?.reject(new FsError('EIO', `the kernel refused a notification: ${code}`))
  }
}
