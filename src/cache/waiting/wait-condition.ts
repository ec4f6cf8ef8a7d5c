/**
 * What an operation on a file's bytes may have to wait for (base/suspended.ts). Plain data: it
 * crosses from the thread that serves a request to the main thread, which brings it about
 * (wait-resolver.ts).
 */
import type { RequestIdentity } from '../../base/current-request.ts'

export type WaitCondition =
  /** Chunks `first` to `last` of an inode have to be fetched. */
  | { kind: 'chunks'; ino: number; first: number; last: number; reading: boolean }
  /** These bytes of an inode, within one chunk, have to come, with the chunk or without. */
  | { kind: 'bytes'; ino: number; offset: number; length: number }
  /** The disk has to take so many bytes more. */
  | { kind: 'space'; bytes: number }
  /** So many bytes more may be written only when older ones are durable. */
  | { kind: 'unsynced'; bytes: number }
  /**
   * What was written to an inode has to be in the metadata, which is elsewhere; `release`: and
   * others may write it then.
   */
  | { kind: 'commit'; ino: number; release: boolean }
  /**
   * These bytes of an inode are written, and the kernel has to drop what it may have read of their
   * places meanwhile; counted as stale pages. `isLocked`: the last page may be locked until then.
   */
  | { kind: 'pages'; ino: number; offset: number; length: number; isLocked: boolean }
  /** The kernel has to take in that the inode was cut. */
  | { kind: 'cut'; ino: number }
  /** Pages of an inode that the kernel has to drop before it gets the inode's attributes. */
  | { kind: 'attributes'; ino: number }
  /** Programs here are about to open an inode for writing: other nodes have to know. */
  | { kind: 'writing'; ino: number }
  /** Nobody here has an inode open for writing any more: other nodes have to know. */
  | { kind: 'left'; ino: number }
  /** Only this node may write the inode: the metadata, which is elsewhere, has to say so. */
  | { kind: 'lease'; ino: number }
  /** The metadata, which is elsewhere, has to be changed; only the main thread asks for it. */
  | {
      kind: 'operation'
      name: string
      args: readonly unknown[]
      /** An earlier process may have had it run. */
      once?: RequestIdentity | undefined
    }
  /** What is known here of the metadata has to be current. */
  | { kind: 'trust' }
  /** What an operation has done so far is not to be done again when it is run again. */
  | { kind: 'done'; key: string }
  /** The operation changes the metadata, which is elsewhere: the main thread runs it. */
  | { kind: 'main' }
  /** What was committed of an inode has to be on so many other nodes, or in the cloud. */
  | { kind: 'copies'; ino: number; copies: number }
  /** A backing file is shorter than it has to be: what it lacks is to be found out. */
  | { kind: 'verify'; ino: number }
  /** The committed content of an inode has to be in the cloud. */
  | { kind: 'durable'; ino: number }

/** Names the outcomes of the needs of that name. */
export function writingKey(ino: number): string {
  return `writing ${ino}`
}

export function leftKey(ino: number): string {
  return `left ${ino}`
}
