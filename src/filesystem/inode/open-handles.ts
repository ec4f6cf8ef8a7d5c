/**
 * What the kernel has open, by number: files as handles of the file system, directories as the list
 * that was taken when they were read from the start (so that pages fit together). Bounded; every
 * handle also keeps its inode.
 */
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import type { FileHandle } from '../file-handle.ts'
import type { Dirent } from '../stats.ts'
import type { InodeName, InodeTable } from './inode-table.ts'

export interface OpenEntry {
  readonly inode: InodeName
  /** Of a file. */
  readonly file?: FileHandle
  /** Of a directory, once it was read. */
  names?: Dirent[]
}

export class OpenHandles {
  readonly #table: InodeTable
  readonly #open = new Map<number, OpenEntry>()
  #last = 0

  constructor(table: InodeTable) {
    this.#table = table
  }

  /** ENFILE where too much is open. */
  checkRoom(): void {
    if (this.#open.size < limits.mountedHandles) return
    throw new FsError('ENFILE', `${this.#open.size} files are open in this mount`)
  }

  add(entry: OpenEntry): number {
    entry.inode.uses++
    this.#open.set(++this.#last, entry)
    return this.#last
  }

  get(handle: number): OpenEntry {
    const found = this.#open.get(handle)
    if (found === undefined) throw new FsError('EBADF', `there is no handle ${handle}`)
    return found
  }

  file(handle: number): FileHandle {
    const { file } = this.get(handle)
    if (file === undefined) throw new FsError('EISDIR', `handle ${handle} is of a directory`)
    return file
  }

  /** Any handle of the file, for what has no name any more. */
  fileOf(inode: InodeName): FileHandle | undefined {
    if (inode.uses === 0) return undefined
    for (const entry of this.#open.values()) if (entry.inode === inode) return entry.file
    return undefined
  }

  /** Takes it out; undefined where it was taken out before. */
  remove(handle: number): OpenEntry | undefined {
    const found = this.#open.get(handle)
    if (found === undefined) return undefined
    this.#open.delete(handle)
    found.inode.uses--
    this.#table.release(found.inode)
    return found
  }

  /** Closes what the kernel did not: the mount has gone. */
  async close(): Promise<void> {
    const handles = [...this.#open.keys()]
    await Promise.all(handles.map(async (handle) => await this.remove(handle)?.file?.close()))
  }
}
