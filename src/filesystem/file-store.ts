/**
 * File storage as an HTTP API needs it: few operations by path, each on a whole file. Implemented
 * by a volume (`volume/paths/volume-files.ts`). Paths are absolute within it and separated by
 * slashes. Each call rejects with an `FsError`.
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
  /** Follows symbolic links within the file system. */
  stat(path: string, options?: CallOptions): Promise<FileStat>
  lstat(path: string, options?: CallOptions): Promise<FileStat>
  readdir(path: string, options?: CallOptions): AsyncIterable<DirectoryEntry>
  mkdir(path: string, options?: CallOptions & { recursive?: boolean; mode?: number }): Promise<void>
  /** Removes a file, symbolic link or empty directory. */
  remove(path: string, options?: CallOptions): Promise<void>
  rename(from: string, to: string, options?: CallOptions): Promise<void>
  /**
   * Bytes from `start` up to and including `end`, all of one version of the file, which is opened
   * when the first block is requested. Requesting the next block reuses the memory of the last one.
   */
  content(path: string, options?: CallOptions & ByteSpan): AsyncIterable<Uint8Array>
  /**
   * Replaces the file at `path` by the content of `source`, which becomes visible as a whole or, if
   * the source fails, not at all. Creates missing parents if `parents` is set. EFBIG beyond
   * `maxBytes`.
   */
  writeFile(
    path: string,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options?: CallOptions & { mode?: number; parents?: boolean; maxBytes?: number },
  ): Promise<FileStat>
}
