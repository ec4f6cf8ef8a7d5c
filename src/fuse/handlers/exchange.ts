/**
 * Context of a handler: a request, the file system that serves it, and the reply. A handler returns
 * the number of payload bytes, `noReply` or a negative errno; it may throw what the file system
 * throws. The exchange, the request and the reply belong to one thread and are reused for each
 * request. Names and the caller may be kept; data is borrowed (base/borrowed-bytes.ts).
 */
import { ERRNO, type FsErrorCode } from '../../base/fs-error.ts'
import type { WaitResult } from '../../base/suspended.ts'
import type { Caller, InodeFileSystem } from '../../filesystem/inode-file-system.ts'
import type { DirectoryWriter } from '../wire/directory-writer.ts'
import type { ReplyWriter, Validity } from '../wire/reply-writer.ts'
import type { RequestReader } from '../wire/request-reader.ts'

/** A mounted file system: the contract plus optional notifications from the mount. */
export interface ServedFileSystem extends InodeFileSystem {
  /**
   * The calls that follow serve request `unique` (0: none) of thread `thread` of a program.
   * `isResent`: an earlier process, which died, may have executed the request. `results`: of the
   * waits for which the request was suspended, in their order.
   */
  serving?(unique: number, isResent: boolean, thread: number, results?: readonly WaitResult[]): void
  /** syncfs(2): makes everything written so far durable. */
  syncfs?(caller: Caller): void
  /** The wait condition of a suspended operation will not be resolved: the operation ends. */
  refused?(condition: unknown): void
  /** The thread serves no further request. */
  close?(): void
}

export interface Exchange {
  readonly fs: ServedFileSystem
  /** A new object for each request. */
  caller: Caller
  readonly request: RequestReader
  readonly reply: ReplyWriter
  readonly directory: DirectoryWriter
  readonly entryValidity: Validity
  readonly attributesValidity: Validity
  /** Undefined if absent names are not cached. */
  readonly negativeValidity: Validity | undefined
  /** The process behind request `unique` was interrupted. */
  readonly interrupt: (unique: number) => void
}

export type Handler = (x: Exchange) => number

/** Result of a handler whose request expects no reply; outside the range of errno values. */
export const noReply = -4096

/** A handler that rejects its request: the kernel then does without, or does the work itself. */
export function refuse(code: FsErrorCode): Handler {
  const result = -ERRNO[code]
  return () => result
}
