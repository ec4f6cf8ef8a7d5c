/**
 * What an API needs of whatever keeps files, by path: few calls, all of them whole. A volume is one
 * (`volume/volume-files.ts`), and every `FileSystem` can be made one (`exported-files.ts`). Paths
 * are absolute within it, separated by slashes. Every call rejects with an `FsError`.
 */

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface ByteSpan {
  start?: number
  end?: number
}

export interface FileStat {
  ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  size: number
  /** Blocks of 512 bytes. */
  blocks: number
  atimeMs: number
  mtimeMs: number
  ctimeMs: number
  /** Changes whenever the content changes: an entity tag without quotes. */
  etag: string
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface DirectoryEntry {
  name: string
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface FileStore {
  /** Follows symbolic links, inside the file system only. */
  stat(path: string, options?: CallOptions): Promise<FileStat>
  lstat(path: string, options?: CallOptions): Promise<FileStat>
  readdir(path: string, options?: CallOptions): AsyncIterable<DirectoryEntry>
  mkdir(path: string, options?: CallOptions & { recursive?: boolean; mode?: number }): Promise<void>
  /** A file, symbolic link or empty directory. */
  remove(path: string, options?: CallOptions): Promise<void>
  rename(from: string, to: string, options?: CallOptions): Promise<void>
  /**
   * Bytes `start` up to and including `end`, of one version of the file, which is opened when the
   * first block is asked for. The memory of a block is used again when the next one is asked for.
   */
  content(path: string, options?: CallOptions & ByteSpan): AsyncIterable<Uint8Array>
  /**
   * Replaces the file at `path` with what `source` gives, visible whole or not at all; a failed
   * source leaves what was there. Missing parents are made where `parents` is set. At most
   * `maxBytes`, else EFBIG.
   */
  writeFile(
    path: string,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options?: CallOptions & { mode?: number; parents?: boolean; maxBytes?: number },
  ): Promise<FileStat>
}
