/**
 * Logs lost chunks (cache/checks/lost-chunks.ts), each once, by the path of its file. Deletes the
 * records of chunks that no file refers to any more or that another node has uploaded. Reads the
 * table when the number of lost chunks has changed, and otherwise every `lostLookMs` while there
 * are any. Main thread.
 */
import type { Logger } from '../../base/log/logger.ts'
import type { LostChunk } from '../../cache/checks/lost-chunk-table.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { Transactions } from '../../cache/state/node-database.ts'
import type { LostChunkTable } from '../../cache/checks/lost-chunk-table.ts'
import type { ChunkIndex } from '../../cache/state/chunk-index.ts'
import type { LostChunks } from '../../cache/checks/lost-chunks.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { pathOf } from '../../metadata/pending-upload-rules.ts'

export interface LostChunkWatchParts {
  shared: SharedState
  database: Transactions
  lostTable: LostChunkTable
  index: ChunkIndex
  lost: LostChunks
}

export class LostChunkWatch {
  readonly #parts: LostChunkWatchParts
  readonly #engine: MetadataEngine
  readonly #logger: Logger
  #count = 0
  #lookedMs = -Infinity
  /** Time of the latest lost chunk that was logged, ms since the epoch. */
  #namedMs = 0

  constructor(parts: LostChunkWatchParts, engine: MetadataEngine, logger: Logger) {
    this.#parts = parts
    this.#engine = engine
    this.#logger = logger
  }

  /** Call regularly. */
  look(): void {
    const count = this.#parts.shared.counter('lostChunks')
    const isDue = performance.now() - this.#lookedMs >= volumeLimits.lostLookMs
    if (count === this.#count && (count === 0 || !isDue)) return
    this.#lookedMs = performance.now()
    const fresh = this.#settle().filter(({ sinceMs }) => sinceMs > this.#namedMs)
    this.#parts.lost.count()
    this.#count = this.#parts.shared.counter('lostChunks')
    for (const lost of fresh.slice(0, volumeLimits.namedFiles)) this.#name(lost)
    const more = fresh.length - volumeLimits.namedFiles
    if (more > 0)
      this.#logger.error(`${more} more chunks are lost: \`cachefs missing\` lists files`)
    this.#namedMs = fresh.reduce((last, { sinceMs }) => Math.max(last, sinceMs), this.#namedMs)
  }

  #name({ ino, index, length, reason }: LostChunk): void {
    const path = this.#engine.read(pathOf(ino)) ?? `inode ${ino}`
    const what = `chunk ${index} of ${path} (${length} bytes, only on this node) is lost: ${reason}`
    this.#logger.error(`${what}; \`cachefs restore\` brings back the last durable version`)
  }

  /** Deletes obsolete records and returns the chunks that are still lost. */
  #settle(): LostChunk[] {
    const { database, lostTable, shared } = this.#parts
    const left: LostChunk[] = []
    for (let [ino, index] = [0, -1]; ;) {
      const page = lostTable.after(ino, index, cacheLimits.replicaPage)
      const over = page.filter((lost) => this.#isOver(lost))
      if (over.length > 0) {
        database.transaction(() => {
          for (const lost of over) lostTable.delete(lost.ino, lost.index)
        })
        for (const { ino } of over) shared.withInode(ino, () => this.#parts.lost.removeUnused(ino))
      }
      left.push(...page.filter((lost) => !over.includes(lost)))
      const last = page.at(-1)
      if (last === undefined) return left
      ;({ ino, index } = last)
    }
  }

  #isOver({ ino, index: at, id }: LostChunk): boolean {
    const { shared, index } = this.#parts
    if (!index.exists(ino)) return true
    return shared.withInode(ino, () => {
      if (shared.findOpen(ino)?.ahead === true) return false
      const reference = index.find(ino, at)
      return reference === undefined || reference.id !== id || reference.durable
    })
  }
}
