/**
 * The end of an upload: the metadata is told that the cloud has the chunk, then it leaves the
 * journal. Uploads that end at about the same time are noted together, in one transaction of each
 * database: a chunk of a small file costs more to note than to read. Whoever waits for an upload
 * does not wait for others to end: then what has ended is noted at once.
 *
 * Invariants: all under the lock of the inode, so that a commit that is half-way is not seen; the
 * locks of many only as far as they are free. The metadata comes first, so that a crash in between
 * leaves an upload that is done once more. Every step may be done again. Main thread.
 */
import { cacheLimits } from '../limits.ts'
import { removePreImages } from '../write/pre-images.ts'
import type { Upload } from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** Where it is noted that the cloud has a chunk: the metadata, here or elsewhere. */
export interface DurableMarks {
  /** False where the content is another by now. */
  durable(ino: number, index: number, id: number, crc: number): boolean | Promise<boolean>
  /** The same for each of many, or (if it throws) for none. */
  allDurable(chunks: readonly SentChunk[]): boolean[] | Promise<boolean[]>
  /** An object that nothing refers to: to be deleted. */
  discard(ino: number, index: number, id: number): void | Promise<void>
}

/** What the cloud has, with the CRC-32 of its bytes. */
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

export class UploadFinisher {
  readonly #cache: NodeCache
  readonly #marks: DurableMarks
  readonly #isAwaited: () => boolean
  #waiting: Ended[] = []
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #count = 0

  /** `isAwaited`: somebody waits for uploads, or no other one is on its way. */
  constructor(cache: NodeCache, marks: DurableMarks, isAwaited: () => boolean) {
    this.#cache = cache
    this.#marks = marks
    this.#isAwaited = isAwaited
  }

  /** Uploads that have ended and are not noted yet. */
  get count(): number {
    return this.#count
  }

  /** Resolves when it is noted; when it rejects, it may be tried again. */
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

  /** Somebody waits for uploads: notes what has ended when this turn of the event loop is over. */
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

  /** Together if that can be, else one after the other. Never rejects. */
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
    this.#cache.shared.withInodes(inos, (locked) => {
      section(group.filter(({ upload }) => locked.has(upload.ino)))
    })
  }

  /** Those that are the content still. What asks the metadata does so before the first await. */
  async #mark(part: readonly Ended[]): Promise<readonly Ended[]> {
    const chunks = part.map(({ upload: { ino, index, id }, crc }) => ({ ino, index, id, crc }))
    if (chunks.length > 1) {
      const held = await this.#marks.allDurable(chunks)
      return part.filter((_, at) => held[at])
    }
    const { ino, index, id, crc } = chunks[0]!
    return (await this.#marks.durable(ino, index, id, crc)) ? part : []
  }

  /** Out of the journal, as far as they are there. */
  #takeOut(part: readonly Ended[], held: ReadonlySet<Ended>): void {
    const { shared, database, files } = this.#cache
    const sources: string[] = []
    let syncedBytes = 0
    database.transaction(() => {
      for (const one of part) {
        const { ino, index, id } = one.upload
        const ended = database.endUpload(one.upload)
        if (ended === undefined) continue
        if (ended.source !== null) sources.push(ended.source)
        if (held.has(one)) syncedBytes += database.markClean(ino, index, id)
      }
    })
    shared.add('unsyncedBytes', -syncedBytes)
    removePreImages(database, files, sources)
  }
}
