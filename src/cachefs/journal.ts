/**
 * What has to survive a crash, in a file of lines: the changes that are on their way, each written
 * down before it is made, and what is known of the files that have a copy here. A line is checked
 * by its own CRC; the last one may be torn, and whatever stands behind a damaged line is not
 * believed.
 *
 *     begin  a change is about to be made here     made   it has been made here
 *     end    the remote has it, or never will      copy   what there is of a file
 *     name   what is known without a copy of it    listed all names of a directory
 *     gone   nothing is known of it any more
 *
 * Invariants: lines are in the order in which things happened; who waits for `begin` knows that the
 * machine has the line (not that its disk has: for that there is `sync`).
 */
import { codeOf } from '../base/fs-error.ts'
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

export type JournalLine =
  | { begin: ChangeRecord }
  | { made: number }
  | { end: number }
  | { copy: CopyRecord }
  | { name: NameRecord }
  | { listed: ListedRecord }
  | { gone: string }

const NAME = '/journal'
const encoder = new TextEncoder()

export class Journal {
  readonly #files: FileSystem
  #handle: FileHandle
  #bytes: number
  #keptBytes: number
  /** All that is to be said, as of now; undefined while it cannot be said any shorter. */
  snapshot: () => JournalLine[] | undefined = () => undefined
  #waiting: Uint8Array[] = []
  #writing: Promise<void> = Promise.resolve()
  #failure: unknown

  private constructor(files: FileSystem, handle: FileHandle, bytes: number) {
    this.#files = files
    this.#handle = handle
    this.#bytes = bytes
    this.#keptBytes = bytes
  }

  /** The lines of last time, and the journal to go on with. */
  static async open(files: FileSystem): Promise<{ journal: Journal; lines: JournalLine[] }> {
    const text = await files.readFile(NAME, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return ''
      throw error
    })
    const lines = parse(text)
    const handle = await files.open(NAME, 'a', 0o600)
    return { journal: new Journal(files, handle, text.length), lines }
  }

  /** Resolves when the machine has it. */
  async add(line: JournalLine): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure as Error
    const bytes = encode(line)
    this.#bytes += bytes.length
    this.#waiting.push(bytes)
    await this.flush()
  }

  /** As `add`, for what nobody has to wait for. */
  note(line: JournalLine): void {
    this.add(line).catch((error: unknown) => {
      this.#failure = error
    })
  }

  async flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    await this.#writing
  }

  async close(): Promise<void> {
    await this.flush()
    await this.#handle.sync()
    await this.#handle.close()
  }

  async #write(): Promise<void> {
    const parts = this.#waiting
    if (parts.length === 0) return
    this.#waiting = []
    for (const part of parts) await this.#handle.write(part)
    if (this.#bytes > 2 * this.#keptBytes + limits.cacheJournalSlackBytes) await this.#rewrite()
  }

  async #rewrite(): Promise<void> {
    const lines = this.snapshot()
    if (lines === undefined) return
    // What is waiting to be written is in the snapshot already.
    this.#waiting = []
    const parts = lines.map((line) => encode(line))
    const next = `${NAME}.new`
    const handle = await this.#files.open(next, 'w', 0o600)
    for (const part of parts) await handle.write(part)
    await handle.sync()
    await handle.close()
    await this.#files.rename(next, NAME)
    await this.#handle.close()
    this.#handle = await this.#files.open(NAME, 'a', 0o600)
    for (const part of this.#waiting.splice(0)) await this.#handle.write(part)
    this.#bytes = this.#keptBytes = parts.reduce((sum, part) => sum + part.length, 0)
  }
}

function encode(line: JournalLine): Uint8Array {
  const text = JSON.stringify(line)
  return encoder.encode(`${crcOf(text)} ${text}\n`)
}

function parse(text: string): JournalLine[] {
  const lines: JournalLine[] = []
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ')
    const json = line.slice(at + 1)
    if (at < 0 || crcOf(json) !== line.slice(0, at)) break
    lines.push(JSON.parse(json) as JournalLine)
  }
  return lines
}
