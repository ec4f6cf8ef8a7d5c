/**
 * What the cache needs from the metadata: the committed content of files. `volume/` implements it
 * on the metadata engine. The cache has no other access to names.
 */
import type { Timestamp } from '../../base/clock.ts'

/** One chunk of the committed content of a file. */
export interface CommittedChunk {
  index: number
  id: number
  /** Bytes of the object that belong to the file. */
  length: number
  objectLength: number
  /** CRC-32 of the object; null until it is durable or has replicas. */
  crc: number | null
  durable: boolean
  /** Ids of nodes with the data, comma separated, the writer first. Empty: this node only. */
  holders: string
}

/** Whether bytes of this length and CRC-32 match everything that the reference has of the chunk. */
export function mayBeContent(
  { objectLength, crc }: CommittedChunk,
  bytes: { length: number; crc: number },
): boolean {
  return bytes.length === objectLength && (crc === null || bytes.crc === crc)
}

export interface Content {
  size: number
  /** Bytes of older commits stay valid below this offset. */
  floor: number
  blocks: number
  mtime: Timestamp
  ctime: Timestamp
  chunks: readonly {
    index: number
    id: number
    length: number
    holders?: string | undefined
    crc?: number | undefined
  }[]
  /** Version of the content on which this one is based; undefined if only this node commits. */
  base?: number | undefined
}

export interface ChunkIndex {
  /** The metadata store is on another node: a commit takes time, and other nodes commit too. */
  readonly isRemote: boolean
  /**
   * Size, 512-byte blocks and version of the committed content, and the number of names. ESTALE:
   * the inode was deleted.
   */
  file(ino: number): { size: number; blocks: number; version: number; nlink: number }
  exists(ino: number): boolean
  /** Whether the inode has no name, or was deleted. */
  isOrphan(ino: number): boolean
  /** Deletes inodes without a name, in one transaction. */
  purgeAll(inos: readonly number[]): void
  find(ino: number, index: number): CommittedChunk | undefined
  /** The first committed chunk from an index on. */
  findNext(ino: number, index: number): CommittedChunk | undefined
  count(ino: number): number
  commit(ino: number, content: Content): void
  /** As `commit`, for many inodes in one transaction: all or none. */
  commitAll(commits: readonly { ino: number; content: Content }[]): void
  nextChunkId(): number
  /** Whether a node may have received this id from `nextChunkId`. */
  isChunkId(id: number): boolean
  /** Everything committed so far survives a power loss. */
  sync(): void
}
