/**
 * Files that the kernel of this mount knows by number, to read them by itself ("backing files" in
 * fuse.h). A number holds the file open until it is closed, or the connection is: also when the
 * process dies that asked for it.
 */
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, describe } from '../../base/fs-error.ts'
import { ioctl } from '../../base/native-calls.ts'

/** _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t). */
const BACKING_OPEN = 0x4010e501
const BACKING_CLOSE = 0x4004e502

export class KernelBackings {
  /** The connection; undefined: nothing is mounted by this process. */
  readonly #connection: number | undefined
  /** `struct fuse_backing_map`: descriptor, flags, padding. */
  readonly #map = Buffer.alloc(16)
  readonly #number = Buffer.alloc(4)

  constructor(connection: number | undefined) {
    this.#connection = connection
  }

  /** The kernel's number for an open file. */
  open(fd: number): number {
    this.#map.writeInt32LE(fd)
    return ioctl(this.#connection ?? -1, BACKING_OPEN, this.#map)
  }

  /** Opens that use it keep it; one that is not known any more is nothing to complain of. */
  close(id: number): void {
    this.#number.writeUInt32LE(id)
    try {
      ioctl(this.#connection ?? -1, BACKING_CLOSE, this.#number)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }

  /** Tries it with a file in a folder; why it cannot be, or undefined. */
  obstacle(directory: string): string | undefined {
    const path = join(directory, '.passthrough')
    try {
      const fd = openSync(path, 'w', 0o600)
      try {
        this.close(this.open(fd))
        return undefined
      } finally {
        closeSync(fd)
        unlinkSync(path)
      }
    } catch (error) {
      return describe(error)
    }
  }
}
