/**
 * What a node tells of itself and does on request: what the API serves beside files. The node
 * implements it (node/node-operations.ts); `http/` only translates. Answers are plain JSON objects.
 * Paths are absolute within the volume; a path that is not there rejects with ENOENT.
 */
import type { PeerStatus } from '../../tiers/peers/peer-status.ts'
import type { Problem } from '../server/problem.ts'

/** One line of a long-running answer; the last one has `done` set. */
export interface ProgressLine {
  doneBytes: number
  totalBytes: number
  /** Files finished so far, and known of so far. */
  doneFiles: number
  totalFiles: number
  /** The totals are those of everything: all has been counted. */
  counted?: true
  done?: true
}

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface EvictOptions extends CallOptions {
  /** Also what cannot be read again, as long as the cloud cannot be reached. */
  force?: boolean
}

export interface NodeStatus {
  /** What it lacks at present. */
  problems(): Problem[]
  /** Volume, mount point, uptime, capacity, backlog (bytes, chunks, age), tiers. */
  status(): Record<string, unknown>
  /** The nodes of the cluster, this one among them; none with the embedded coordinator. */
  peers(): PeerStatus[]
  /** Capacity and use of the NVMe. */
  cache(): Record<string, unknown>
  /** Counters since the start: hits, misses, fetched, uploaded, evicted. */
  cacheStats(): Record<string, number>
  /** Where a file's bytes are; of a directory, what of all files in it is where. */
  receipt(path: string): Promise<Record<string, unknown>>
  /** Chunk by chunk: on which tiers, under which key. Streamed: files may be large. */
  explain(path: string): Promise<Record<string, unknown>>
  /** Where the bytes of a path are when close returns, and which directory says so. */
  durability(path: string): Promise<Record<string, unknown>>
  /** null: the directory says nothing of its own. EINVAL: no directory, or no such durability. */
  setDurability(path: string, durability: string | null): Promise<Record<string, unknown>>
  /** Files with bytes that only nodes have that are away. */
  missing(): Promise<object>
  /** Such a file as the cloud last had it whole. EBUSY: it is all there; ENODATA: it never was. */
  restore(path: string): Promise<Record<string, unknown>>
  /** Until everything at and below the paths is durable. */
  wait(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine>
  /** Brings everything at and below the paths to this node. */
  warm(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine>
  /**
   * Another process of the program as it is installed now takes over, as soon as this call was
   * answered; rejects where that cannot be, and then nothing changes. Returns what starts it.
   */
  upgrade(): Promise<() => void>
  /** Takes away what is durable at and below the paths. EAGAIN while the cloud is out of reach. */
  evict(paths: readonly string[], options?: EvictOptions): AsyncIterable<ProgressLine>
}
