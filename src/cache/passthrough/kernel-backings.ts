/**
 * Backing files that are registered with the kernel of this mount for passthrough ("backing files"
 * in fuse.h), each by an id. An id keeps the file open until it is closed or the connection ends,
 * even after the process that registered it has died.
 */
import { closeSync, constants, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, describe } from '../../base/fs-error.ts'
import { ioctl } from '../../base/native-calls.ts'
import { openPlainFile } from '../../base/plain-file.ts'

/** _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t). */
const BACKING_OPEN = 0x4010e501
const BACKING_CLOSE = 0x4004e502

export class KernelBackings {
  /** Descriptor of the connection; undefined: this process has no mount. */
  readonly #connection: number | undefined
  /** `struct fuse_backing_map`: descriptor, flags, padding. */
  readonly #map = Buffer.alloc(16)
  readonly #number = Buffer.alloc(4)

  constructor(connection: number | undefined) {
    this.#connection = connection
  }

  /** Registers an open file; returns its id. */
  open(fd: number): number {
    this.#map.writeInt32LE(fd)
    return ioctl(this.#connection ?? -1, BACKING_OPEN, this.#map)
  }

  /** Closes an id; opens that use it keep the file. An unknown id is no error. */
  close(id: number): void {
    this.#number.writeUInt32LE(id)
    try {
      ioctl(this.#connection ?? -1, BACKING_CLOSE, this.#number)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }

  /** Tries passthrough with a file in a folder. Returns why it fails, or undefined. */
  obstacle(directory: string): string | undefined {
    const path = join(directory, '.passthrough')
    try {
      const fd = openPlainFile(path, constants.O_WRONLY | constants.O_CREAT, 0o600)
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
