/**
 * Scrub: reads the clean chunks of the cache slowly, again and again, and compares them with their
 * CRC-32, so that damage on the disk is found before a reader needs the chunk. It reads past the
 * page cache, which may have intact bytes while the disk does not. A damaged chunk leaves the cache
 * and is fetched from the cloud at once. The next process continues at the recorded position. Main
 * thread.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { BufferPool, pages } from '../../base/buffer-pool.ts'
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { cacheLimits } from '../limits.ts'
import type { Fetcher } from '../read/fetcher.ts'
import type { LocalChunk } from '../state/chunk-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ChunkTable } from '../state/chunk-table.ts'
import type { NodeSettings } from '../state/node-settings.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { ChunkChecks } from './chunk-checks.ts'

const CURSOR = 'scrubbed'

type Place = [ino: number, index: number]
const BEGIN: Place = [0, -1]

export interface ScrubberParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  chunks: ChunkTable
  settingTable: NodeSettings
  files: BackingFiles
  checks: ChunkChecks
}

export class Scrubber {
  readonly #parts: ScrubberParts
  readonly #fetcher: Fetcher
  readonly #failures: RepeatedLog
  readonly #buffers: BufferPool
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  /** Since the start. */
  chunks = 0
  bytes = 0

  constructor(parts: ScrubberParts, fetcher: Fetcher, logger: Logger) {
    this.#parts = parts
    this.#fetcher = fetcher
    this.#failures = new RepeatedLog(logger)
    this.#buffers = new BufferPool(parts.settings.chunkSize, pages)
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const beganMs = performance.now()
      await this.#pass().catch((error: unknown) => {
        this.#failures.warn('scrub', `looking for damage in the cache: ${describe(error)}`)
      })
      await this.#pause(beganMs + cacheLimits.scrubPassMs - performance.now())
    }
  }

  async #pass(): Promise<void> {
    const { database, settingTable, chunks } = this.#parts
    const { signal } = this.#stop
    let place = placeOf(settingTable.get(CURSOR))
    for (;;) {
      const page = chunks.cleanAfter(...place, cacheLimits.scrubPage)
      for (const row of page) {
        if (signal.aborted) return
        await this.#check(row)
      }
      const last = page.at(-1)
      place = last === undefined ? BEGIN : [last.ino, last.index]
      database.transaction(() => settingTable.set(CURSOR, place.join(' ')))
      if (last === undefined) return
    }
  }

  async #check(row: LocalChunk & { ino: number }): Promise<void> {
    const { ino, index } = row
    const sinceMs = performance.now()
    const isSuspect = await this.#isSuspect(row)
    if (isSuspect && this.#parts.checks.verifyChunk(ino, index) === 'damaged') {
      await this.#heal(ino, index)
    }
    this.chunks += 1
    this.bytes += row.length
    const took = Math.max(1, row.length / cacheLimits.scrubBytesPerMs)
    await this.#pause(sinceMs + took - performance.now())
  }

  /** Whether the chunk must be checked again under the lock: it may just have been evicted. */
  async #isSuspect({ ino, ...row }: LocalChunk & { ino: number }): Promise<boolean> {
    const { files, settings, shared } = this.#parts
    const wanted = shared.withInode(ino, () => this.#parts.checks.wanted(ino, row))
    if (wanted === undefined) return false
    using borrowed = this.#buffers.take()
    const offset = row.index * settings.chunkSize
    try {
      const path = files.path(ino)
      const data = await files.readFromDisk(path, offset, wanted.length, borrowed.memory)
      if (data !== undefined && crc32(data) === wanted.crc) return false
      // Otherwise the second check could find what was once read from the disk.
      files.dropCached(ino, offset, wanted.length)
      return true
    } catch {
      return true
    }
  }

  /** Fetches the chunk. If the cloud is unavailable now, the next reader fetches it. */
  async #heal(ino: number, index: number): Promise<void> {
    try {
      await this.#fetcher.fetchChunk(ino, index, true, this.#stop.signal)
    } catch (error) {
      this.#failures.warn('heal', `a damaged chunk is not healed yet: ${describe(error)}`)
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(Math.max(0, ms), undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}

function placeOf(text: string | undefined): Place {
  const [ino = 0, index = -1] = (text ?? '').split(' ').filter(Boolean).map(Number)
  return [ino, index]
}
