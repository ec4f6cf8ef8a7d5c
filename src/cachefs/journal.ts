/**
 * What has to survive a crash, in a file of lines: the changes that are on their way, each written
 * down before it is made, and what is known of the files that have a copy here. A line is checked
 * by its own CRC; the last one may be torn, and whatever stands behind a damaged line is not
 * believed.
 *
 *     begin  a change is about to be made here     made   it has been made here
 *     undone it could not be made here             end    the remote has it, or never will
 *     copy   what there is of a file               name   what is known without a copy of it
 *     listed all names of a directory              gone   nothing is known of it any more
 *     queued it was made before the lines above were written, and has to reach the remote
 *
 * A journal that has grown is written anew: what is known, then what is on its way. So it is as
 * large as these two are, and not as all that ever happened.
 *
 * Behind the last line the file goes on with zeros: blocks of the disk that later lines are written
 * into, so that changes that were begun can be completed on a full disk. Where this reserve cannot
 * be renewed, `checkRoom` refuses to begin more.
 *
 * Invariants: lines are in the order in which things happened; who waits for `begin` knows that the
 * machine has the line (not that its disk has: for that there is `sync`); what could not be written
 * comes before what is written next, or is part of a journal that is written anew.
 */
import { codeOf } from '../base/fs-error.ts'
import { O_CREAT, O_RDWR } from '../base/open-bits.ts'
import type { FileHandle } from '../filesystem/file-handle.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import type { FileKind, StatFields } from '../filesystem/stats.ts'
import { limits } from '../limits.ts'
import { crcOf } from './line-crc.ts'

export interface CopyRecord {
  path: string
  stats: StatFields
  baseEtag: string
  etag: string
  /** null: it is to be asked for again. */
  validatedMs: number | null
  /** Blocks that are there; null: all. */
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
  changes?: object
}

/** A change of names, and where what it is about is by now; null: it has no name any more. */
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
  /** What it holds that is whole, and what it held when this process last wrote it anew. */
  #bytes: number
  #keptBytes = 0
  /** Length of the file, reserve included. */
  #fileBytes: number
  /** A write failed, and may have left part of itself behind. */
  #isTorn = false
  /** More was to be said than is kept while nothing can be written: it is to be written anew. */
  #isBehind = false
  #waiting: Uint8Array[] = []
  #writing: Promise<void> = Promise.resolve()
  /** All that is to be said, as of now; undefined until what was said last time is taken in. */
  snapshot: (() => JournalLine[]) | undefined

  private constructor(files: FileSystem, handle: FileHandle, bytes: number, fileBytes: number) {
    this.#files = files
    this.#handle = handle
    this.#bytes = bytes
    this.#fileBytes = fileBytes
  }

  /** The lines of last time, and the journal to go on with. */
  static async open(files: FileSystem): Promise<{ journal: Journal; lines: JournalLine[] }> {
    const bytes = await files.readFile(NAME).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return new Uint8Array(0)
      throw error
    })
    const { lines, length } = parse(bytes)
    const handle = await files.open(NAME, O_RDWR | O_CREAT, 0o600)
    // What is written from here on must not stand before something that is not believed.
    const rest = bytes.subarray(length)
    if (rest.some((byte) => byte !== 0)) {
      await handle.write(new Uint8Array(rest.length), 0, rest.length, length)
    }
    return { journal: new Journal(files, handle, length, bytes.length), lines }
  }

  /** ENOSPC where the disk has no room for what a new change will have to say. */
  async checkRoom(): Promise<void> {
    await this.#inTurn(() => this.#reserve(0))
  }

  /** Resolves when the machine has it. */
  async add(line: JournalLine): Promise<void> {
    this.#waiting.push(encode(line))
    await this.flush()
  }

  /** As `add`, for what nobody has to wait for: what could not be written goes with the next. */
  note(line: JournalLine): void {
    this.add(line).catch(() => undefined)
  }

  async flush(): Promise<void> {
    await this.#inTurn(() => this.#write())
  }

  /** The disk has all that was said so far. */
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
      this.#isBehind = sizeOf(this.#waiting) > limits.cacheJournalSlackBytes
      throw error
    }
    const isShort = this.#bytes <= 2 * this.#keptBytes + limits.cacheJournalSlackBytes
    if (isShort || snapshot === undefined) return
    // Where there is no room for a new one the old one serves, and grows by as much again.
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

  /** The disk has blocks for so many bytes, and for the reserve behind them. */
  async #reserve(bytes: number): Promise<void> {
    const reserveBytes = limits.cacheJournalReserveBytes
    const wanted = this.#bytes + bytes + reserveBytes
    const missing = wanted - this.#fileBytes
    // Seldom, and much at a time.
    if (missing <= reserveBytes / 2) return
    await this.#handle.write(new Uint8Array(missing), 0, missing, this.#fileBytes)
    this.#fileBytes = wanted
  }

  async #rewrite(snapshot: () => JournalLine[]): Promise<void> {
    // What is waiting to be written is in the snapshot already.
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

  /** The handle is of the new file before that has the name: nothing is said to neither. */
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

/** Lines up to the first one that is damaged, and their length. */
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
