/**
 * `damaged/` in the NVMe directory, for people to examine: what was found in place of a file of
 * this node (a directory, a link, a pipe), and the bytes of chunks that do not match their
 * checksum and have no other copy.
 *
 * Invariants: the number of entries and the bytes of its files are bounded, and this program never
 * deletes a file in it. If it is full, links and pipes are deleted, because they have no content,
 * and everything else stays where it is.
 */
import { lstatSync, readdirSync, renameSync, rmSync, rmdirSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { FsError } from '../../base/fs-error.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { tiersLimits } from '../limits.ts'

export interface DamagedUse {
  entries: number
  bytes: number
  isFull: boolean
}

/** Age of the numbers for status and metrics, ms: one request needs them several times. */
const RECENT_MS = 1000

export class DamagedFolder {
  readonly path: string
  #recent: { use: DamagedUse; ms: number } | undefined

  constructor(directory: string) {
    this.path = join(directory, 'damaged')
  }

  use(): DamagedUse {
    let [entries, bytes] = [0, 0]
    for (const name of this.#names()) {
      const stat = lstatSync(join(this.path, name), { throwIfNoEntry: false })
      if (stat === undefined) continue
      entries += 1
      if (stat.isFile()) bytes += stat.size
    }
    return { entries, bytes, isFull: !fits(entries + 1, bytes + 1) }
  }

  /** As `use`, up to a second old. */
  recentUse(): DamagedUse {
    const ms = performance.now()
    if (this.#recent === undefined || ms - this.#recent.ms > RECENT_MS) {
      this.#recent = { use: this.use(), ms }
    }
    return this.#recent.use
  }

  /** Moves what is at a path, and is not a plain file, out of the way. EIO: it cannot be moved. */
  quarantine(path: string): void {
    const { entries, bytes } = this.use()
    if (fits(entries + 1, bytes) || this.#dropOne()) {
      makePrivateFolder(this.path)
      renameSync(
        path,
        join(this.path, `${basename(dirname(path))}-${basename(path)}-${Date.now()}`),
      )
    } else if (!drop(path)) {
      const message = `${path} is not a file, and ${this.path} is full: move both elsewhere`
      throw new FsError('EIO', message, { path })
    }
  }

  /**
   * Lets `write` create the file `name`, of `bytes` bytes. Returns its path; undefined if the
   * folder or the disk is full.
   */
  keep(name: string, bytes: number, write: (path: string) => void): string | undefined {
    const now = this.use()
    if (!fits(now.entries + 1, now.bytes + bytes)) {
      if (!fits(now.entries, now.bytes + bytes) || !this.#dropOne()) return undefined
    }
    makePrivateFolder(this.path)
    const path = join(this.path, name)
    rmSync(path, { force: true })
    try {
      write(path)
      return path
    } catch (error) {
      rmSync(path, { force: true })
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return undefined
      throw error
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  #dropOne(): boolean {
    return this.#names().some((name) => drop(join(this.path, name)))
  }
}

function fits(entries: number, bytes: number): boolean {
  return entries <= tiersLimits.damagedEntries && bytes <= tiersLimits.damagedBytes
}

/** Deletes something that has no content. False: it has some. */
function drop(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || stat.isFile()) return false
  try {
    if (stat.isDirectory()) rmdirSync(path)
    else unlinkSync(path)
    return true
  } catch {
    // A directory that is not empty.
    return false
  }
}
