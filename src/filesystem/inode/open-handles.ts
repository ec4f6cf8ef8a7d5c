/**
 * Open handles by number: files as handles of the file system, directories as the list that was
 * read when they were listed from the start (so that pages are consistent). Bounded; each handle
 * keeps its inode.
 */
import { FsError } from '../../base/fs-error.ts'
import { filesystemLimits } from '../limits.ts'
import type { FileHandle } from '../file-handle.ts'
import type { Dirent } from '../stats.ts'
import type { InodeName, InodeTable } from './inode-table.ts'

export interface OpenEntry {
  readonly inode: InodeName
  /** Set for a file. */
  readonly file?: FileHandle
  /** Set for a directory once it was listed. */
  names?: Dirent[]
}

export class OpenHandles {
  readonly #table: InodeTable
  readonly #open = new Map<number, OpenEntry>()
  #last = 0

  constructor(table: InodeTable) {
    this.#table = table
  }

  /** ENFILE if the limit is reached. */
  checkRoom(): void {
    if (this.#open.size < filesystemLimits.mountedHandles) return
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

  /** Any handle of the file, for a file without a name. */
  fileOf(inode: InodeName): FileHandle | undefined {
    if (inode.uses === 0) return undefined
    for (const entry of this.#open.values()) if (entry.inode === inode) return entry.file
    return undefined
  }

  /** Removes the handle; undefined if it was removed before. */
  remove(handle: number): OpenEntry | undefined {
    const found = this.#open.get(handle)
    if (found === undefined) return undefined
    this.#open.delete(handle)
    found.inode.uses--
    this.#table.release(found.inode)
    return found
  }

  /** Closes all handles after the mount has ended. */
  async close(): Promise<void> {
    const handles = [...this.#open.keys()]
    await Promise.all(handles.map(async (handle) => await this.remove(handle)?.file?.close()))
  }
}
