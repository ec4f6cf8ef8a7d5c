/**
 * Wait conditions of operations on file content (base/suspended.ts). Plain data: a condition is
 * sent from the thread that serves the request to the main thread, which resolves it
 * (wait-resolver.ts).
 */
import type { RequestIdentity } from '../../base/current-request.ts'
import { ResultOf } from '../../base/suspended.ts'
import type { ChunkRange } from '../read/range-reader.ts'

export type WaitCondition =
  /** Chunks `first` to `last` of an inode are fetched. */
  | { kind: 'chunks'; ino: number; first: number; last: number; reading: boolean }
  /** These bytes of an inode, within one chunk, are available, with or without the rest of it. */
  | { kind: 'bytes'; ino: number; offset: number; length: number }
  /** The disk has room for this many more bytes. */
  | { kind: 'space'; bytes: number }
  /** Enough older writes are durable that this many more bytes may be written. */
  | { kind: 'unsynced'; bytes: number }
  /**
   * The writes to an inode are committed in the remote metadata store. `release`: other nodes may
   * write it afterwards.
   */
  | { kind: 'commit'; ino: number; release: boolean }
  /**
   * These bytes of an inode are written, and the kernel has dropped pages of them that it may have
   * read in the meantime; counted as a page drop. `isLocked`: the last page may be locked until
   * then.
   */
  | { kind: 'pages'; ino: number; offset: number; length: number; isLocked: boolean }
  /** The kernel has the new size of a truncated inode. */
  | { kind: 'cut'; ino: number }
  /** The kernel has dropped stale pages of an inode, and may get its attributes. */
  | { kind: 'attributes'; ino: number }
  /** The coordinator lists an inode that programs on this node are about to open for writing. */
  | { kind: 'writing'; ino: number }
  /** The coordinator no longer lists an inode that nobody on this node has open for writing. */
  | { kind: 'left'; ino: number }
  /** This node has the write lease of the inode from the remote metadata store. */
  | { kind: 'lease'; ino: number }
  /** The remote metadata store has executed an operation. Only the main thread requests it. */
  | {
      kind: 'operation'
      name: string
      args: readonly unknown[]
      /** Set if an earlier process may have requested it already. */
      once?: RequestIdentity | undefined
    }
  /** The copy of the metadata on this node is current: its lease is valid. */
  | { kind: 'trust' }
  /** The bytes are written; only their sync is left for the run on the main thread. */
  | { kind: 'written'; ino: number }
  /** The operation changes the remote metadata, so it runs on the main thread. */
  | { kind: 'main' }
  /** The committed content of an inode is on this many other nodes, or in the cloud. */
  | { kind: 'copies'; ino: number; copies: number }
  /** It is known which bytes a too short backing file lacks. */
  | { kind: 'verify'; ino: number }
  /** The committed content of an inode is in the cloud. */
  | { kind: 'durable'; ino: number }

/** The results that operations use, by the `kind` of their wait; the subject is the inode. */
export const PAGES_DROPPED = new ResultOf('pages')
export const COMMITTED = new ResultOf('commit')
export const WRITTEN = new ResultOf('written')
export const ATTRIBUTES_SETTLED = new ResultOf('attributes')
export const WRITER_LISTED = new ResultOf('writing')
export const WRITER_UNLISTED = new ResultOf('left')
/** Bytes of a chunk; the subject is `chunkSubject`. */
export const BYTES_FETCHED = new ResultOf<ChunkRange>('bytes')

export function chunkSubject(ino: number, index: number): string {
  return `${ino}/${index}`
}
