/**
 * Settings of the cache of one node, as its flags give them. Plain data: worker threads get a copy.
 */
import { join } from 'node:path'

export interface CacheSettings {
  /** The NVMe directory. */
  directory: string
  chunkSize: number
  capacityBytes: number
  /** Space that stays free on the disk, bytes. */
  freeFloorBytes: number
  /** Bytes of pending uploads and uncommitted writes; beyond it, writers wait. */
  maxUnsyncedBytes: number
  /**
   * Age of the oldest write that is not in the cloud, seconds; beyond it, writers wait. 0: no
   * bound.
   */
  maxUnsyncedSeconds: number
  /** Smaller files are not opened for passthrough reads, bytes. */
  passthroughFromBytes: number
}

export function databasePath(directory: string): string {
  return join(directory, 'node.db')
}
