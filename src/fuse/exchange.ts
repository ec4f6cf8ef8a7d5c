/**
 * What a handler works with: one request, the file system that answers it, and the reply. A handler
 * returns the number of payload bytes, `noReply`, or a negative errno; it may throw what the file
 * system throws. The exchange, the request and the reply belong to one thread and are reused for
 * every request. Names and the caller may be kept; data is borrowed (base/borrowed-bytes.ts).
 */
import { ERRNO, type FsErrorCode } from '../base/fs-error.ts'
import type { Caller, InodeFileSystem } from '../filesystem/inode-file-system.ts'
import type { DirectoryWriter } from './directory-writer.ts'
import type { ReplyWriter, Validity } from './reply-writer.ts'
import type { RequestReader } from './request-reader.ts'

/** A file system behind a mount, with what the mount can tell it beyond the contract. */
export interface ServedFileSystem extends InodeFileSystem {
  /**
   * What follows is done for the request `unique` (0: none) of a thread of a program; a process
   * that died may have done it.
   */
  serving?(unique: number, isResent: boolean, thread: number): void
  /** syncfs(2): all that was written is to be made as safe as asked. */
  syncfs?(caller: Caller): void
  /** What an operation was `Blocked` by will not be brought about: the operation ends. */
  refused?(need: unknown): void
  /** The thread serves no further request. */
  close?(): void
}

export interface Exchange {
  readonly fs: ServedFileSystem
  /** Another object for every request. */
  caller: Caller
  readonly request: RequestReader
  readonly reply: ReplyWriter
  readonly directory: DirectoryWriter
  readonly entryValidity: Validity
  readonly attributesValidity: Validity
  /** Absent when absent names are not to be remembered. */
  readonly negativeValidity: Validity | undefined
  /** The process behind request `unique` does not want to wait any longer. */
  readonly interrupt: (unique: number) => void
}

export type Handler = (x: Exchange) => number

/** Result of a handler whose request is never answered; no errno reaches this far. */
export const noReply = -4096

/** A handler that refuses: the kernel then does without, or does it itself. */
export function refuse(code: FsErrorCode): Handler {
  const result = -ERRNO[code]
  return () => result
}
