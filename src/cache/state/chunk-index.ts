/**
 * What the cache asks of the metadata: the committed content of files. `volume/` implements it over
 * the metadata engine; the cache knows no more of names than this.
 */
import type { Timestamp } from '../../base/clock.ts'

/** One chunk of a file's committed content. */
export interface CommittedChunk {
  index: number
  id: number
  /** Bytes of the object that belong to the file. */
  length: number
  objectLength: number
  /** CRC-32 of the object; null until it is durable, or other nodes have copies. */
  crc: number | null
  durable: boolean
  /** Nodes that have the bytes, comma separated: who committed them first. Empty: this one only. */
  holders: string
}

/** Whether bytes of that length and CRC-32 may be the chunk's: all that is known of it fits. */
export function mayBeContent(
  { objectLength, crc }: CommittedChunk,
  bytes: { length: number; crc: number },
): boolean {
  return bytes.length === objectLength && (crc === null || bytes.crc === crc)
}

export interface Content {
  size: number
  /** Below: bytes of older commits that still hold. */
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
  /** Version of the content that it began from; undefined where only this node commits. */
  base?: number | undefined
}

export interface ChunkIndex {
  /** The metadata is elsewhere: a commit takes a while, and others commit as well. */
  readonly isRemote: boolean
  /** The committed content: size, 512-byte blocks, version; names. ESTALE: the inode is gone. */
  file(ino: number): { size: number; blocks: number; version: number; nlink: number }
  exists(ino: number): boolean
  /** It has no name any more, or is gone. */
  isOrphan(ino: number): boolean
  /** Removes inodes that have no name, as one transaction. */
  purgeAll(inos: readonly number[]): void
  find(ino: number, index: number): CommittedChunk | undefined
  /** The first committed chunk at or after an index. */
  findNext(ino: number, index: number): CommittedChunk | undefined
  count(ino: number): number
  commit(ino: number, content: Content): void
  /** As `commit`, of many as one transaction: all or none. */
  commitAll(commits: readonly { ino: number; content: Content }[]): void
  nextChunkId(): number
  /** Whether some node may have got that id from `nextChunkId`. */
  isChunkId(id: number): boolean
  /** Everything so far survives the loss of power. */
  sync(): void
}
