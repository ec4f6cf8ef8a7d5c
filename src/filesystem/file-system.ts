/**
 * The contract that every file system here keeps, shaped like `node:fs/promises`: code written for
 * that runs unchanged, and whatever passes `test/contracts/file-system.test.ts` can stand in for
 * any other. Paths are absolute within the file system (see `file-path.ts`). Every call takes a
 * `signal` and rejects with an `FsError`.
 *
 * Beyond Node's there are three calls that caches and servers need: `list` (names as they come),
 * `content` (bytes of one version) and `replace` (a new version, visible whole or not at all).
 */
import type { Readable, Writable } from 'node:stream'
import type { Content, TextEncoding } from './file-bytes.ts'
import type { FileHandle } from './file-handle.ts'
import type { CallOptions } from './file-store.ts'
import type { Dirent, Stats } from './stats.ts'

export type { CallOptions } from './file-store.ts'

/** What a file system can keep; a call that needs more is EOPNOTSUPP. */
export interface Features {
  /** Symbolic links can be made. */
  readonly symlinks: boolean
  /** Permission bits, owners and times can be set and are kept. */
  readonly attributes: boolean
  /** Directories exist by themselves, empty or not, and can be renamed. */
  readonly directories: boolean
  /** A file that is open keeps its bytes when its name goes, and can be written anywhere. */
  readonly handles: boolean
}

export interface EncodingOptions extends CallOptions {
  encoding?: TextEncoding | null | undefined
}

export interface ReadFileOptions extends EncodingOptions {
  flag?: string | number | undefined
}

export interface WriteFileOptions extends EncodingOptions {
  mode?: number | undefined
  flag?: string | number | undefined
  /** Sync the data before the call returns. */
  flush?: boolean | undefined
}

export interface ReaddirOptions extends CallOptions {
  encoding?: TextEncoding | null | undefined
  recursive?: boolean | undefined
  withFileTypes?: boolean | undefined
}

export interface MkdirOptions extends CallOptions {
  recursive?: boolean | undefined
  mode?: number | undefined
}

export interface RmOptions extends CallOptions {
  force?: boolean | undefined
  recursive?: boolean | undefined
}

export interface ContentOptions extends CallOptions {
  /** First byte; 0 by default. */
  start?: number | undefined
  /** Last byte, included, as in `createReadStream`; the end of the file by default. */
  end?: number | undefined
  /** The etag of the version that is wanted: ESTALE where the file is another by now. */
  ifMatch?: string | undefined
}

export interface ReplaceOptions extends CallOptions {
  mode?: number | undefined
  mtimeMs?: number | undefined
  /** Replace only that version; null: only where there is none. Else ESTALE. */
  ifMatch?: string | null | undefined
  /** Bytes that will come, where they are known: some stores take it better then. */
  size?: number | undefined
}

export interface StreamOptions extends CallOptions {
  start?: number | undefined
  end?: number | undefined
  encoding?: TextEncoding | undefined
  highWaterMark?: number | undefined
  flags?: string | number | undefined
  mode?: number | undefined
}

export interface AttributeChanges {
  mode?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  atimeMs?: number | undefined
  mtimeMs?: number | undefined
}

/** Seconds since 1970, a date, or a text that is one: as Node takes times. */
export type Time = number | string | Date

export interface FileSystem {
  readonly features: Features

  open(
    path: string,
    flags?: string | number,
    mode?: number,
    options?: CallOptions,
  ): Promise<FileHandle>
  stat(path: string, options?: CallOptions): Promise<Stats>
  lstat(path: string, options?: CallOptions): Promise<Stats>
  access(path: string, mode?: number, options?: CallOptions): Promise<void>
  realpath(path: string, options?: CallOptions): Promise<string>

  readFile(path: string, options?: ReadFileOptions & { encoding?: null }): Promise<Buffer>
  readFile(
    path: string,
    options: TextEncoding | (ReadFileOptions & { encoding: TextEncoding }),
  ): Promise<string>
  writeFile(path: string, data: Content, options?: TextEncoding | WriteFileOptions): Promise<void>
  appendFile(path: string, data: Content, options?: TextEncoding | WriteFileOptions): Promise<void>
  truncate(path: string, sizeBytes?: number, options?: CallOptions): Promise<void>
  copyFile(from: string, to: string, mode?: number, options?: CallOptions): Promise<void>
  createReadStream(path: string, options?: TextEncoding | StreamOptions): Readable
  createWriteStream(path: string, options?: TextEncoding | StreamOptions): Writable

  readdir(
    path: string,
    options?: TextEncoding | (ReaddirOptions & { withFileTypes?: false | undefined }),
  ): Promise<string[]>
  readdir(path: string, options: ReaddirOptions & { withFileTypes: true }): Promise<Dirent[]>
  /** The first directory that was made, where `recursive` is set. */
  mkdir(path: string, options?: number | MkdirOptions): Promise<string | undefined>
  rmdir(path: string, options?: CallOptions): Promise<void>
  rm(path: string, options?: RmOptions): Promise<void>
  unlink(path: string, options?: CallOptions): Promise<void>
  rename(from: string, to: string, options?: CallOptions): Promise<void>

  symlink(target: string, path: string, type?: string | null, options?: CallOptions): Promise<void>
  readlink(path: string, options?: TextEncoding | EncodingOptions): Promise<string>
  chmod(path: string, mode: number, options?: CallOptions): Promise<void>
  chown(path: string, uid: number, gid: number, options?: CallOptions): Promise<void>
  lchown(path: string, uid: number, gid: number, options?: CallOptions): Promise<void>
  utimes(path: string, atime: Time, mtime: Time, options?: CallOptions): Promise<void>
  lutimes(path: string, atime: Time, mtime: Time, options?: CallOptions): Promise<void>

  /** Names as they come, with what lstat would say where that costs nothing. */
  list(path: string, options?: CallOptions): AsyncIterable<Dirent>
  /** Bytes of one version of the file; ESTALE where it is replaced meanwhile. */
  content(path: string, options?: ContentOptions): AsyncIterable<Uint8Array>
  /**
   * A new version of the file from what `source` gives, visible whole or not at all; a source that
   * fails leaves what was there. What was written, as stat would tell it.
   */
  replace(path: string, source: AsyncIterable<Uint8Array>, options?: ReplaceOptions): Promise<Stats>
}
