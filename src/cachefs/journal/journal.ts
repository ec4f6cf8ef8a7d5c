/**
 * Journal of a CacheFS: a file of lines with the pending changes, each recorded before it is made,
 * and with what is cached. Each line has a CRC-32; the last one may be torn, and nothing after a
 * damaged line is used.
 *
 *     begin  a change is about to be made locally    made   it was made locally
 *     undone it could not be made locally            end    the remote has it, or never will
 *     copy   a cached file and its blocks            name   a cached name without content
 *     listed all names of a directory                gone   nothing is cached of the name any more
 *     queued it was made before the lines above were written, and is pending at the remote
 *
 * A journal that has grown is rewritten: what is cached, then what is pending. Its size is
 * therefore proportional to these, and not to the history.
 *
 * After the last line the file is filled with zeros: a reserve of disk blocks for later lines, so
 * that changes that were begun can be completed on a full disk. If the reserve cannot be renewed,
 * `checkRoom` rejects new changes.
 *
 * Invariants: lines are in the order of events. When `begin` resolves, the operating system has the
 * line (for the disk, there is `sync`). A line that could not be written comes before the next one,
 * or is covered by a rewritten journal.
 */
import { codeOf } from '../../base/fs-error.ts'
import { O_CREAT, O_RDWR } from '../../base/open-bits.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'
import type { FileKind, StatFields } from '../../filesystem/stats.ts'
import { cachefsLimits } from '../limits.ts'
import { crcOf } from './line-crc.ts'

export interface CopyRecord {
  path: string
  stats: StatFields
  baseEtag: string
  etag: string
  /** null: must be revalidated. */
  validatedMs: number | null
  /** Cached blocks; null: all. */
  present: number[] | null
  blockBytes: number
}

export interface NameRecord {
  path: string
  stats: StatFields
  target: string
  baseEtag: string | null
  validatedMs: number | null
}

export interface ListedRecord {
  path: string
  listedMs: number
  names: [name: string, kind: FileKind][]
}

export interface ChangeRecord {
  id: number
  kind: 'write' | 'mkdir' | 'symlink' | 'unlink' | 'rmdir' | 'rename' | 'attributes'
  path: string
  to?: string
  target?: string
  stats?: StatFields | null
  baseEtag?: string | null
  /** Size of a file that was closed or synced since it was changed last. */
  keptBytes?: number
  changes?: object
}

/** A change of names, and the current path of its entry; null: it has no name any more. */
export interface QueuedRecord extends ChangeRecord {
  at: string | null
  leftAt?: string | null
  isDirectory?: boolean
}

export type JournalLine =
  | { begin: ChangeRecord }
  | { queued: QueuedRecord }
  | { made: number }
  | { undone: number }
  | { end: number }
  | { copy: CopyRecord }
  | { name: NameRecord }
  | { listed: ListedRecord }
  | { gone: string }

const NAME = '/journal'
const NEXT = '/journal.new'
const NEWLINE = 10
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class Journal {
  readonly #files: FileSystem
  #handle: FileHandle
  /** Bytes of complete lines, and the size after the last rewrite by this process. */
  #bytes: number
  #keptBytes = 0
  /** Length of the file, including the reserve. */
  #fileBytes: number
  /** A write failed and may have left part of a line. */
  #isTorn = false
  /** More lines are waiting than are kept while writes fail: the journal must be rewritten. */
  #isBehind = false
  #waiting: Uint8Array[] = []
  #writing: Promise<void> = Promise.resolve()
  /** Returns all current lines; undefined until the lines of the last process have been applied. */
  snapshot: (() => JournalLine[]) | undefined

  private constructor(files: FileSystem, handle: FileHandle, bytes: number, fileBytes: number) {
    this.#files = files
    this.#handle = handle
    this.#bytes = bytes
    this.#fileBytes = fileBytes
  }

  /** Opens the journal; returns it with the lines of the last process. */
  static async open(files: FileSystem): Promise<{ journal: Journal; lines: JournalLine[] }> {
    const bytes = await files.readFile(NAME).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return new Uint8Array(0)
      throw error
    })
    const { lines, length } = parse(bytes)
    const handle = await files.open(NAME, O_RDWR | O_CREAT, 0o600)
    // Clear the rest: new lines must not precede a damaged one.
    const rest = bytes.subarray(length)
    if (rest.some((byte) => byte !== 0)) {
      await handle.write(new Uint8Array(rest.length), 0, rest.length, length)
    }
    return { journal: new Journal(files, handle, length, bytes.length), lines }
  }

  /** Throws ENOSPC if the disk has no space for the lines of a new change. */
  async checkRoom(): Promise<void> {
    await this.#inTurn(() => this.#reserve(0))
  }

  /** Resolves when the operating system has the line. */
  async add(line: JournalLine): Promise<void> {
    this.#waiting.push(encode(line))
    await this.flush()
  }

  /** Like `add` without waiting: if the line cannot be written, it is written with the next one. */
  note(line: JournalLine): void {
    this.add(line).catch(() => undefined)
  }

  async flush(): Promise<void> {
    await this.#inTurn(() => this.#write())
  }

  /** Resolves when the disk has all lines so far. */
  async sync(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#write()
      await this.#handle.sync()
    })
  }

  async close(): Promise<void> {
    await this.sync()
    await this.#handle.close()
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(work, work)
    await this.#writing
  }

  async #write(): Promise<void> {
    const { snapshot } = this
    if (this.#isBehind && snapshot !== undefined) {
      await this.#rewrite(snapshot)
      return
    }
    if (this.#waiting.length === 0) return
    if (this.#isTorn) {
      await this.#handle.truncate(this.#bytes)
      this.#fileBytes = this.#bytes
      this.#isTorn = false
    }
    const parts = this.#waiting
    this.#waiting = []
    try {
      await this.#append(joined(parts))
    } catch (error) {
      this.#waiting = [...parts, ...this.#waiting]
      this.#isBehind = sizeOf(this.#waiting) > cachefsLimits.cacheJournalSlackBytes
      throw error
    }
    const isShort = this.#bytes <= 2 * this.#keptBytes + cachefsLimits.cacheJournalSlackBytes
    if (isShort || snapshot === undefined) return
    // Without space for a new journal, the old one stays in use and may grow as much again.
    await this.#rewrite(snapshot).catch(() => {
      this.#keptBytes = this.#bytes
    })
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#reserve(bytes.length).catch((error: unknown) => {
      if (this.#bytes + bytes.length > this.#fileBytes) throw error
    })
    this.#isTorn = true
    await this.#handle.write(bytes, 0, bytes.length, this.#bytes)
    this.#isTorn = false
    this.#bytes += bytes.length
  }

  /** Allocates blocks for `bytes` bytes and for the reserve after them. */
  async #reserve(bytes: number): Promise<void> {
    const reserveBytes = cachefsLimits.cacheJournalReserveBytes
    const wanted = this.#bytes + bytes + reserveBytes
    const missing = wanted - this.#fileBytes
    // Rarely, and in large steps.
    if (missing <= reserveBytes / 2) return
    await this.#handle.write(new Uint8Array(missing), 0, missing, this.#fileBytes)
    this.#fileBytes = wanted
  }

  async #rewrite(snapshot: () => JournalLine[]): Promise<void> {
    // The snapshot covers the waiting lines already.
    const before = this.#waiting
    this.#waiting = []
    try {
      const bytes = joined(snapshot().map((line) => encode(line)))
      const old = this.#handle
      this.#handle = await this.#replace(bytes)
      this.#bytes = this.#keptBytes = this.#fileBytes = bytes.length
      this.#isTorn = this.#isBehind = false
      await old.close()
    } catch (error) {
      this.#waiting = this.#isBehind ? [] : [...before, ...this.#waiting]
      throw error
    }
  }

  /** The handle of the new file is open before the rename, so that no line is lost in between. */
  async #replace(bytes: Uint8Array): Promise<FileHandle> {
    await this.#files.rm(NEXT, { force: true })
    const handle = await this.#files.open(NEXT, 'wx', 0o600)
    try {
      await handle.write(bytes)
      await handle.sync()
      await this.#files.rename(NEXT, NAME)
      return handle
    } catch (error) {
      await handle.close()
      throw error
    }
  }
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(sizeOf(parts))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function encode(line: JournalLine): Uint8Array {
  const text = JSON.stringify(line)
  return encoder.encode(`${crcOf(text)} ${text}\n`)
}

/** Parses lines up to the first damaged one; returns them and their length in bytes. */
function parse(bytes: Uint8Array): { lines: JournalLine[]; length: number } {
  const lines: JournalLine[] = []
  let length = 0
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, length)) {
    const line = decoder.decode(bytes.subarray(length, end))
    const at = line.indexOf(' ')
    const json = line.slice(at + 1)
    if (at < 0 || crcOf(json) !== line.slice(0, at)) break
    lines.push(JSON.parse(json) as JournalLine)
    length = end + 1
  }
  return { lines, length }
}
