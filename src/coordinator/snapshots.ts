/**
 * Full copies of the metadata, for nodes that have none or missed more changes than the log has.
 * Nodes that ask at about the same time share one copy, which stays on disk while it is read.
 *
 * Invariants: at most one copy is being made. A complete copy has no directory entry, so a process
 * that dies leaves at most the file of an incomplete copy, which the next start removes.
 */
import { readdirSync, rmSync } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BufferPool, pages } from '../base/buffer-pool.ts'
import { FsError } from '../base/fs-error.ts'
import { volumeLimits } from '../volume/limits.ts'
import { coordinatorLimits } from './limits.ts'

export interface SnapshotSource {
  /** Path prefix of the copies; no other file in the folder may begin with it. */
  readonly path: string
  /** Makes a copy at a path that does not exist. */
  make(path: string): Promise<void>
  /** Sequence number of the last change. A copy made now has that change, and maybe later ones. */
  seq(): number
}

interface Copy {
  /** Sequence number of a change that the copy contains. */
  seq: number
  readers: number
  file: Promise<FileHandle>
}

export class Snapshots {
  readonly #source: SnapshotSource
  readonly #blocks = new BufferPool(volumeLimits.apiBlockBytes, pages)
  #made = 0
  /** The latest copy, while it has readers. */
  #copy: Copy | undefined

  constructor(source: SnapshotSource) {
    this.#source = source
    const folder = dirname(source.path)
    for (const name of readdirSync(folder)) {
      if (name.startsWith(`${basename(source.path)}.`)) rmSync(join(folder, name))
    }
  }

  /** The caller must iterate `pieces`: the end of the iteration releases the copy. */
  async take(): Promise<{ sizeBytes: number; pieces: AsyncGenerator<Uint8Array> }> {
    const copy = this.#isOfUse(this.#copy) ? this.#copy : this.#begin()
    copy.readers += 1
    try {
      const { size } = await (await copy.file).stat()
      return { sizeBytes: size, pieces: this.#pieces(copy, size) }
    } catch (error) {
      await this.#leave(copy)
      throw error
    }
  }

  /** When the copy has been transferred, the log must still have all changes made since. */
  #isOfUse(copy: Copy | undefined): copy is Copy {
    return (
      copy !== undefined && this.#source.seq() - copy.seq <= coordinatorLimits.changeLogEntries / 2
    )
  }

  #begin(): Copy {
    const copy = { seq: this.#source.seq(), readers: 0, file: this.#make() }
    this.#copy = copy
    return copy
  }

  async #make(): Promise<FileHandle> {
    const path = `${this.#source.path}.${++this.#made}`
    await rm(path, { force: true })
    try {
      await this.#source.make(path)
      return await open(path, 'r')
    } finally {
      // Readers use the open descriptor.
      await rm(path, { force: true })
    }
  }

  async *#pieces(copy: Copy, sizeBytes: number): AsyncGenerator<Uint8Array> {
    using block = this.#blocks.take()
    try {
      const file = await copy.file
      for (let at = 0; at < sizeBytes;) {
        const length = Math.min(block.memory.length, sizeBytes - at)
        const { bytesRead } = await file.read(block.memory, 0, length, at)
        if (bytesRead === 0) throw new FsError('EIO', 'the copy of the metadata was cut')
        yield block.memory.subarray(0, bytesRead)
        at += bytesRead
      }
    } finally {
      await this.#leave(copy)
    }
  }

  async #leave(copy: Copy): Promise<void> {
    copy.readers -= 1
    if (copy.readers > 0) return
    if (this.#copy === copy) this.#copy = undefined
    const file = await copy.file.catch(() => undefined)
    await file?.close()
  }
}
