/**
 * The space that the cache may use: its capacity, the free space of its disk, and the bound of the
 * backlog. All threads share the counters.
 */
import { statfsSync } from 'node:fs'
import { cacheLimits } from '../limits.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'

export interface SpaceParts {
  settings: CacheSettings
  shared: SharedState
}

export class Space {
  readonly #parts: SpaceParts

  constructor(parts: SpaceParts) {
    this.#parts = parts
  }

  /** Measures the free space of the disk, which other programs may fill too. */
  measure(): void {
    const { bavail, bsize } = statfsSync(this.#parts.settings.directory)
    this.#parts.shared.setCounter('freeBytes', bavail * bsize)
  }

  /** Whether there is room for this many more bytes. */
  hasRoom(bytes: number): boolean {
    const { shared, settings } = this.#parts
    return (
      shared.counter('usedBytes') + bytes <= settings.capacityBytes &&
      shared.counter('freeBytes') - bytes >= settings.freeFloorBytes
    )
  }

  /** Bytes that the cache can have: the disk may have less space than the capacity. */
  get reachBytes(): number {
    const { shared, settings } = this.#parts
    const free = shared.counter('freeBytes') - settings.freeFloorBytes
    return Math.min(settings.capacityBytes, shared.counter('usedBytes') + free)
  }

  /**
   * Whether so little of the cache can be evicted that a request could lose one chunk while it
   * waits for the next, or to another request, over and over.
   */
  isTight(): boolean {
    const { shared, settings } = this.#parts
    const reach = this.reachBytes
    const loose = reach - shared.counter('unsyncedBytes') - shared.counter('passedBytes')
    return loose < Math.min(reach / 2, cacheLimits.looseChunks * settings.chunkSize)
  }

  /**
   * Whether there is room for the growth of passthrough writes until the evictor notices it and can
   * make room.
   */
  hasAmpleRoom(): boolean {
    const { shared, settings } = this.#parts
    const free = shared.counter('freeBytes') - settings.freeFloorBytes
    const kept = shared.counter('unsyncedBytes') + shared.counter('passedBytes')
    return Math.min(free, settings.capacityBytes - kept) >= cacheLimits.passthroughWriteRoomBytes
  }

  /** Whether this many more pending bytes are within the bound of the backlog. */
  mayPend(bytes: number): boolean {
    const pending = this.#parts.shared.counter('unsyncedBytes')
    return pending <= 0 || pending + bytes <= this.#parts.settings.maxUnsyncedBytes
  }

  /** Whether the oldest pending write is older than its bound. */
  isOverdue(): boolean {
    return this.#parts.shared.counter('overdue') !== 0
  }
}
