/**
 * Contract of all file systems, with the interface of `node:fs/promises`: code written for that
 * runs unchanged, and file systems that pass `test/contracts/file-system.test.ts` are
 * interchangeable. Paths are absolute within the file system (see `file-path.ts`). Each call
 * accepts a `signal` and rejects with an `FsError`.
 *
 * Beyond Node's, three calls serve caches and servers: `list` (names as they arrive), `content`
 * (bytes of one version) and `replace` (a new version, visible as a whole or not at all).
 */
import type { Readable, Writable } from 'node:stream'
import type { Content, TextEncoding } from './file-bytes.ts'
import type { FileHandle } from './file-handle.ts'
import type { Dirent, Stats } from './stats.ts'

/** Options of every call. */
export interface CallOptions {
  signal?: AbortSignal | undefined
}

/** Capabilities of a file system; a call that needs a missing one is EOPNOTSUPP. */
export interface Features {
  /** Symbolic links can be created. */
  readonly symlinks: boolean
  /** Permission bits, owners and times can be set and are stored. */
  readonly attributes: boolean
  /** Directories exist independently of their content and can be renamed. */
  readonly directories: boolean
  /** An open file keeps its content when its name is removed, and can be written at any offset. */
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
  /** Offset of the first byte; default: 0. */
  start?: number | undefined
  /** Offset of the last byte, inclusive as in `createReadStream`; default: the end of the file. */
  end?: number | undefined
  /** Etag of the expected version; ESTALE if the file has another one. */
  ifMatch?: string | undefined
}

export interface ReplaceOptions extends CallOptions {
  mode?: number | undefined
  mtimeMs?: number | undefined
  /** Replace only this version; null: only if there is no file. Otherwise ESTALE. */
  ifMatch?: string | null | undefined
  /** Size of the content in bytes if known; some stores transfer it better then. */
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

/** Seconds since 1970, a date, or a text with one of them, as in Node. */
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
  /** Returns the first directory that was created if `recursive` is set. */
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

  /** Names as they arrive, with the attributes of lstat if they cost nothing. */
  list(path: string, options?: CallOptions): AsyncIterable<Dirent>
  /** Bytes of one version of the file; ESTALE if it is replaced meanwhile. */
  content(path: string, options?: ContentOptions): AsyncIterable<Uint8Array>
  /**
   * Replaces the file by the content of `source`, which becomes visible as a whole or, if the
   * source fails, not at all. Returns the attributes of the new version.
   */
  replace(path: string, source: AsyncIterable<Uint8Array>, options?: ReplaceOptions): Promise<Stats>
}
