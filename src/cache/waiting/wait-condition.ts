/**
 * Wait conditions of operations on file content (base/suspended.ts). Plain data: a condition is
 * sent from the thread that serves the request to the main thread, which resolves it
 * (wait-resolver.ts).
 */
import type { RequestIdentity } from '../../base/current-request.ts'

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
  /** What the operation has done so far is recorded, and not repeated when it is resumed. */
  | { kind: 'done'; key: string }
  /** The operation changes the remote metadata, so it runs on the main thread. */
  | { kind: 'main' }
  /** The committed content of an inode is on this many other nodes, or in the cloud. */
  | { kind: 'copies'; ino: number; copies: number }
  /** It is known which bytes a too short backing file lacks. */
  | { kind: 'verify'; ino: number }
  /** The committed content of an inode is in the cloud. */
  | { kind: 'durable'; ino: number }

/** Key of the results of `writing` conditions. */
export function writingKey(ino: number): string {
  return `writing ${ino}`
}

export function leftKey(ino: number): string {
  return `left ${ino}`
}
