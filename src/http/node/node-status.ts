/**
 * Contract between the HTTP API and the node, for everything except file contents. The node
 * implements it (node/node-operations.ts); `http/` only translates. Results are plain JSON objects.
 * Paths are absolute within the volume; a path that does not exist rejects with ENOENT.
 */
import type { PeerStatus } from '../../tiers/peers/peer-status.ts'
import type { Problem } from '../server/problem.ts'

/** One line of a long-running response; the last one has `done` set. */
export interface ProgressLine {
  doneBytes: number
  totalBytes: number
  /** Files finished and files counted so far. */
  doneFiles: number
  totalFiles: number
  /** Counting is complete: the totals are final. */
  counted?: true
  done?: true
}

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface EvictOptions extends CallOptions {
  /** Also evict while the cloud is unreachable; the data is then unreadable until it returns. */
  force?: boolean
}

export interface NodeStatus {
  /** Current problems of the node. */
  problems(): Problem[]
  /** Volume, mount point, uptime, capacity, backlog (bytes, chunks, age), tiers. */
  status(): Record<string, unknown>
  /** All nodes of the cluster, including this one; empty with an embedded coordinator. */
  peers(): PeerStatus[]
  /** Capacity and use of the NVMe. */
  cache(): Record<string, unknown>
  /** Counters since the start: hits, misses, fetched, uploaded, evicted. */
  cacheStats(): Record<string, number>
  /** Where the bytes of a file are; of a directory, the sum over all files in it. */
  receipt(path: string): Promise<Record<string, unknown>>
  /** The tier and object key of each chunk, for a bounded number of chunks. */
  explain(path: string): Promise<Record<string, unknown>>
  /** Durability of a path, and the directory that sets it. */
  durability(path: string): Promise<Record<string, unknown>>
  /**
   * null removes the setting of the directory. EINVAL: not a directory, or an invalid durability.
   */
  setDurability(path: string, durability: string | null): Promise<Record<string, unknown>>
  /** Unavailable files. */
  missing(): Promise<object>
  /**
   * Restores the last durable version of an unavailable file. EBUSY: the file is available;
   * ENODATA: there is no durable version.
   */
  restore(path: string): Promise<Record<string, unknown>>
  /** Waits until everything at and below the paths is durable. */
  wait(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine>
  /** Fetches everything at and below the paths into the cache of this node. */
  warm(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine>
  /**
   * Prepares to replace the daemon with a process of the installed program. Returns a function that
   * starts the replacement; call it once the request has been answered. Rejects without any change
   * if the installed program cannot start.
   */
  upgrade(): Promise<() => void>
  /** Evicts clean chunks at and below the paths. EAGAIN while the cloud is unreachable. */
  evict(paths: readonly string[], options?: EvictOptions): AsyncIterable<ProgressLine>
}
