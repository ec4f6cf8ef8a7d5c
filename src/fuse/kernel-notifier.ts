/**
 * Invalidates kernel caches after changes that did not pass through the kernel. Writing such a
 * notification takes the locks of its target (pages of an inode, directory of an entry) and waits
 * for requests that hold them, including requests that are suspended on the main thread. The main
 * thread must therefore not write notifications itself, or nothing would resume those requests
 * (notification-thread.ts).
 *
 * For callers: a returned promise resolves after the invalidation, which may take as long as a
 * request on the same inode. Never await it while resolving a wait condition of such a request.
 */
import { writeSync } from 'node:fs'
import { FsError, codeOf } from '../base/fs-error.ts'
import { fuseLimits } from './limits.ts'
import { entryInvalidation, inodeInvalidation, newEpoch, resend } from './wire/notification.ts'
import { NotificationThread, type NotificationWriter } from './notification-thread.ts'

/** The kernel has nothing cached, or the mount has ended: there is nothing to invalidate. */
const HARMLESS = new Set(['ENOENT', 'ENODEV', 'ENOTDIR', 'ECONNABORTED', 'ENOTCONN'])

/** First minor version with an epoch, which invalidates all names at once. */
const EPOCH_MINOR = 44

export class KernelNotifier {
  readonly #fd: number
  readonly #writer: NotificationWriter
  #inFlight = 0
  #closed = false

  /** `writer`: writes to the same connection and may block. */
  constructor(fd: number, writer: NotificationWriter = new NotificationThread(fd)) {
    this.#fd = fd
    this.#writer = writer
  }

  /** Pages from `offset` (`length` 0: to the end) and attributes; `offset` -1: attributes only. */
  async invalidateInode(ino: number, offset: number, length: number): Promise<void> {
    await this.#send(inodeInvalidation(ino, offset, length))
  }

  /** Attributes alone need no lock that a request holds: any thread may do this, synchronously. */
  forgetAttributes(ino: number): void {
    this.knowsInode(ino)
  }

  /** Whether the kernel has the inode in memory; invalidates its attributes. */
  knowsInode(ino: number): boolean {
    if (this.#closed) return false
    try {
      writeSync(this.#fd, inodeInvalidation(ino, -1, 0))
      return true
    } catch (error) {
      if (!HARMLESS.has(codeOf(error))) throw error
      return false
    }
  }

  /**
   * Takes over from a process that died: the kernel resends the requests that were not answered,
   * and invalidates all names, because the notifications that were pending are lost. Kernels before
   * 7.44 keep names until they expire.
   */
  resume(minor: number): void {
    writeSync(this.#fd, resend())
    if (minor >= EPOCH_MINOR) writeSync(this.#fd, newEpoch())
  }

  async invalidateEntry(parent: number, name: Uint8Array): Promise<void> {
    await this.#send(entryInvalidation(parent, name))
  }

  /** Call when the mount has ended: the locks that writes wait for are free then. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writer.close()
  }

  async #send(message: Uint8Array): Promise<void> {
    if (this.#closed) return
    if (this.#inFlight >= fuseLimits.fuseNotificationsInFlight) {
      throw new FsError('EAGAIN', `the limit of ${this.#inFlight} pending notifications is reached`)
    }
    this.#inFlight += 1
    try {
      const code = await this.#writer.write(message)
      if (code === undefined || HARMLESS.has(code)) return
      throw new FsError('EIO', `the kernel rejected a notification: ${code}`)
    } finally {
      this.#inFlight -= 1
    }
  }
}
