/**
 * Tells the kernel to forget what changed behind its back. Writing such a message takes the locks
 * of what it names (pages of an inode; the directory of an entry), and waits for requests that hold
 * them, also for those that wait on the main thread for something slow. So the main thread must
 * never write one itself, or nobody would finish what it waits for (notification-thread.ts).
 *
 * For callers: a returned promise resolves when the kernel has forgotten, which may take as long as
 * a request on the same inode takes. Never await it as a part of satisfying such a request.
 */
import { writeSync } from 'node:fs'
import { FsError, codeOf } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { entryInvalidation, inodeInvalidation, newEpoch, resend } from './notification.ts'
import { NotificationThread, type NotificationWriter } from './notification-thread.ts'

/** The kernel had nothing cached, or the mount has gone: nothing is left to forget. */
const FINE = new Set(['ENOENT', 'ENODEV', 'ENOTDIR', 'ECONNABORTED', 'ENOTCONN'])

/** First minor version of the protocol that can forget all names. */
const EPOCH_MINOR = 44

export class KernelNotifier {
  readonly #fd: number
  readonly #writer: NotificationWriter
  #inFlight = 0
  #closed = false

  /** `writer`: writes to the same connection, and may wait. */
  constructor(fd: number, writer: NotificationWriter = new NotificationThread(fd)) {
    this.#fd = fd
    this.#writer = writer
  }

  /** Pages from `offset` on (`length` 0: to the end) and attributes; `offset` -1: only those. */
  async invalidateInode(ino: number, offset: number, length: number): Promise<void> {
    await this.#send(inodeInvalidation(ino, offset, length))
  }

  /** Attributes alone take no lock that a request holds: any thread may say so, at once. */
  forgetAttributes(ino: number): void {
    this.knowsInode(ino)
  }

  /** Whether the kernel has the inode, whose attributes it forgets. */
  knowsInode(ino: number): boolean {
    if (this.#closed) return false
    try {
      writeSync(this.#fd, inodeInvalidation(ino, -1, 0))
      return true
    } catch (error) {
      if (!FINE.has(codeOf(error))) throw error
      return false
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

  /** To be called when the mount has gone: what waits for its locks is free then. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writer.close()
  }

  async #send(message: Uint8Array): Promise<void> {
    if (this.#closed) return
    if (this.#inFlight >= limits.fuseNotificationsInFlight) {
      throw new FsError('EAGAIN', `${this.#inFlight} notifications already wait for the kernel`)
    }
    this.#inFlight += 1
    try {
      const code = await this.#writer.write(message)
      if (code === undefined || FINE.has(code)) return
      throw new FsError('EIO', `the kernel refused a notification: ${code}`)
    } finally {
      this.#inFlight -= 1
    }
  }
}
