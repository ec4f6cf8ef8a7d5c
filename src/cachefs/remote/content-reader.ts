/**
 * Reads a file of the local side to send it to the remote, while it may be written.
 *
 * Invariant: the content passed on is one state of the file, or the read fails. A file that changes
 * during the read is read again; if it keeps changing, it is copied while its writers wait, and the
 * copy is read.
 */
import { codeOf, FsError } from '../../base/fs-error.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'
import type { Stats } from '../../filesystem/stats.ts'
import { cachefsLimits } from '../limits.ts'
import type { CacheLocks } from '../cache-locks.ts'
import type { Entry } from '../entry.ts'
import { makeLocalDirectory } from '../local/local-copies.ts'
import type { LocalCopies } from '../local/local-copies.ts'
import { LostCopyError, isNoFile } from '../local/lost-copy.ts'
import { openCopy, refuseLink } from '../local/open-copy.ts'
import { RESERVED } from './remote-view.ts'

interface Sent {
  stats: Stats
  /** Generation of the content that was sent. */
  generation: number
}

type Send = (content: AsyncIterable<Uint8Array>, sizeBytes: number) => Promise<Stats>

class Changed extends Error {}

const FOLDER = `/${RESERVED}`
let copies = 0

export class ContentReader {
  readonly #local: FileSystem
  readonly #locks: CacheLocks
  readonly #copies: LocalCopies

  constructor(local: FileSystem, locks: CacheLocks, copies: LocalCopies) {
    this.#local = local
    this.#locks = locks
    this.#copies = copies
  }

  /** Undefined if the file no longer exists locally. */
  async read(entry: Entry, signal: AbortSignal, send: Send): Promise<Sent | undefined> {
    for (let attempt = 1; attempt <= cachefsLimits.cacheReadsOfWritten; attempt++) {
      try {
        return await this.#readInPlace(entry, signal, send)
      } catch (error) {
        if (!(error instanceof Changed) && !(error instanceof FsError && isChanged(error))) {
          throw error
        }
      }
    }
    return await this.#readCopy(entry, signal, send)
  }

  async #readInPlace(entry: Entry, signal: AbortSignal, send: Send): Promise<Sent | undefined> {
    const opened = await this.#open(entry, signal)
    if (opened === undefined) return undefined
    await using handle = opened
    const { generation, copy } = entry
    // What stands behind that was not written here.
    const size = copy?.size ?? 0
    const found = (await handle.stat()).size
    async function* content(): AsyncGenerator<Uint8Array> {
      const check = (): void => {
        const isSame = entry.generation === generation && entry.copy?.size === size
        if (!isSame || entry.isChanging) throw new Changed('the file changed while it was read')
      }
      check()
      if (found < size) throw new Changed('it has fewer bytes than it should')
      let left = size
      for await (const piece of handle.pieces({ signal })) {
        check()
        const part = piece.subarray(0, left)
        left -= part.length
        if (part.length > 0) yield part
        if (left === 0) break
      }
      check()
      if (left > 0) throw new Changed('it has fewer bytes than it should')
    }
    return { stats: await send(content(), size), generation }
  }

  async #readCopy(entry: Entry, signal: AbortSignal, send: Send): Promise<Sent | undefined> {
    const copyPath = `${FOLDER}/sending-${++copies}`
    await makeLocalDirectory(this.#local, FOLDER)
    try {
      const generation = await this.#copy(entry, copyPath, signal).catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOSPC') throw error
        await this.#copies.makeRoom(entry.copy?.size ?? 0)
        return await this.#copy(entry, copyPath, signal)
      })
      if (generation === undefined) return undefined
      const { size } = await this.#local.stat(copyPath)
      return { stats: await send(this.#local.content(copyPath, { signal }), size), generation }
    } finally {
      await this.#local.rm(copyPath, { force: true })
    }
  }

  /** Copies the file while its writers wait; returns the generation of the copy. */
  async #copy(entry: Entry, path: string, signal: AbortSignal): Promise<number | undefined> {
    using _names = await this.#locks.shareNames({ signal })
    using _entry = await this.#locks.entry(entry, { signal })
    if (entry.isDetached || entry.copy === undefined) return undefined
    const { generation, copy } = entry
    try {
      await refuseLink(this.#local, entry.path)
      await this.#local.copyFile(entry.path, path)
    } catch (error) {
      throw isNoFile(error) ? new LostCopyError(entry.path, 0, copy.size) : error
    }
    const { size } = await this.#local.stat(path)
    if (size < copy.size) throw new LostCopyError(entry.path, size, copy.size)
    if (size > copy.size) await this.#local.truncate(path, copy.size)
    return generation
  }

  async #open(entry: Entry, signal: AbortSignal): Promise<FileHandle | undefined> {
    using _names = await this.#locks.shareNames({ signal })
    if (entry.isDetached || entry.copy === undefined) return undefined
    return await openCopy(this.#local, entry.path, 'r').catch((error: unknown) => {
      throw isNoFile(error) ? new Changed('its file is not there') : error
    })
  }
}

/** A remote may wrap the error of its source. */
function isChanged(error: FsError): boolean {
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Changed) return true
  }
  return false
}
