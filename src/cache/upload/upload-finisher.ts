/**
 * The end of an upload: mark the chunk durable in the metadata, then remove it from the journal.
 * Uploads that end at about the same time share one transaction of each database, because recording
 * the chunk of a small file costs more than reading it. If somebody waits for uploads, they are
 * recorded at once. Main thread.
 *
 * Invariants: both steps run under the locks of the inodes, so that a half-made commit is not
 * visible; several locks are held together only as far as they are free. The metadata is changed
 * first, so that a crash in between only repeats the upload. Every step can be repeated.
 */
import { cacheLimits } from '../limits.ts'
import type { Upload } from './upload-journal.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { UploadJournal } from './upload-journal.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { PreImages } from '../write/pre-images.ts'

/** Records in the metadata, on this node or elsewhere, that the cloud has a chunk. */
export interface DurableMarks {
  /** False: the content has changed. */
  durable(ino: number, index: number, id: number, crc: number): boolean | Promise<boolean>
  /** As `durable`, for many chunks; for none of them if it throws. */
  allDurable(chunks: readonly SentChunk[]): boolean[] | Promise<boolean[]>
  /** Records an object without reference, to be deleted from the cloud. */
  discard(ino: number, index: number, id: number): void | Promise<void>
}

/** A chunk in the cloud, with the CRC-32 of its bytes. */
interface SentChunk {
  ino: number
  index: number
  id: number
  crc: number
}

interface Ended {
  readonly upload: Upload
  readonly crc: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export interface UploadFinisherParts {
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  uploads: UploadJournal
  files: BackingFiles
  preImages: PreImages
}

export class UploadFinisher {
  readonly #parts: UploadFinisherParts
  readonly #marks: DurableMarks
  readonly #isAwaited: () => boolean
  #waiting: Ended[] = []
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #count = 0

  /** `isAwaited`: whether somebody waits for uploads, or no other upload is under way. */
  constructor(parts: UploadFinisherParts, marks: DurableMarks, isAwaited: () => boolean) {
    this.#parts = parts
    this.#marks = marks
    this.#isAwaited = isAwaited
  }

  /** Uploads that have ended and are not recorded yet. */
  get count(): number {
    return this.#count
  }

  /** Resolves when the upload is recorded. If it rejects, it may be retried. */
  async finish(upload: Upload, crc: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#count += 1
    this.#waiting.push({ upload, crc, resolve, reject })
    if (this.#waiting.length >= cacheLimits.uploadGroup) this.#flush()
    else if (this.#isAwaited()) this.expedite()
    else this.#timer ??= setTimeout(this.#flush, cacheLimits.uploadGroupMs)
    try {
      await promise
    } finally {
      this.#count -= 1
    }
  }

  /**
   * Records finished uploads at the end of this iteration of the event loop, for somebody who
   * waits.
   */
  expedite(): void {
    if (this.#waiting.length > 0) this.#soon ??= setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer)
    clearImmediate(this.#soon)
    this.#timer = this.#soon = undefined
    const group = this.#waiting
    this.#waiting = []
    if (group.length > 0) void this.#settle(group)
  }

  /** Records the group together if possible, else one by one. Never rejects. */
  async #settle(group: readonly Ended[]): Promise<void> {
    try {
      await this.#note(group)
      for (const { resolve } of group) resolve()
    } catch (error) {
      if (group.length === 1) group[0]!.reject(error)
      else for (const one of group) await this.#settle([one])
    }
  }

  async #note(group: readonly Ended[]): Promise<void> {
    const asked: Promise<readonly Ended[]>[] = []
    this.#underLocks(group, (part) => asked.push(this.#mark(part)))
    const held = new Set((await Promise.all(asked)).flat())
    for (const one of group) {
      const { ino, index, id } = one.upload
      if (!held.has(one)) await this.#marks.discard(ino, index, id)
    }
    this.#underLocks(group, (part) => this.#takeOut(part, held))
  }

  #underLocks(group: readonly Ended[], section: (part: readonly Ended[]) => void): void {
    const inos = new Set(group.map(({ upload }) => upload.ino))
    this.#parts.shared.withInodes(inos, (locked) => {
      section(group.filter(({ upload }) => locked.has(upload.ino)))
    })
  }

  /**
   * Returns the uploads that are still the content. Calls to the metadata start before the first
   * await, under the locks.
   */
  async #mark(part: readonly Ended[]): Promise<readonly Ended[]> {
    const chunks = part.map(({ upload: { ino, index, id }, crc }) => ({ ino, index, id, crc }))
    if (chunks.length > 1) {
      const held = await this.#marks.allDurable(chunks)
      return part.filter((_, at) => held[at])
    }
    const { ino, index, id, crc } = chunks[0]!
    return (await this.#marks.durable(ino, index, id, crc)) ? part : []
  }

  /** Removes uploads from the journal, if they are still there. */
  #takeOut(part: readonly Ended[], held: ReadonlySet<Ended>): void {
    const { shared, database, uploads, chunks, preImages } = this.#parts
    const sources: string[] = []
    let syncedBytes = 0
    database.transaction(() => {
      for (const one of part) {
        const { ino, index, id } = one.upload
        const ended = uploads.end(one.upload)
        if (ended === undefined) continue
        if (ended.source !== null) sources.push(ended.source)
        if (held.has(one)) syncedBytes += chunks.markClean(ino, index, id)
      }
    })
    shared.add('unsyncedBytes', -syncedBytes)
    preImages.removeUnused(sources)
  }
}
