/**
 * Contract of a store for objects. Keys are slash-separated ASCII (`[A-Za-z0-9._/-]`, no empty, `.`
 * or `..` parts). An object is immutable by convention: a key is written once with one content;
 * writing it again replaces the object as a whole.
 *
 * - `write` returns only after the store has accepted the whole object and verified it against a
 *   checksum sent with it. A failed or aborted write leaves no object that `read` would return.
 * - `read` returns exactly the bytes of the object (or the range), or throws; ENOENT: no such
 *   object. A whole object is checked against the checksum stored with it, if there is one.
 * - `readRange`, if implemented, returns bytes checked against block checksums stored with the
 *   object; EOPNOTSUPP: it has none and must be read whole.
 * - `delete` of an absent object succeeds.
 * - Every error is an `FsError`: ENOENT (no such object), EACCES (credentials or permissions),
 *   EINVAL (invalid key or range), ETIMEDOUT, ECANCELED (aborted), ENOSPC, else EIO. Its message
 *   names the operation, the object and the cause.
 * - A call makes one attempt; retries are up to the caller.
 */
export interface TierStorage {
  /** For logs and receipts, without secrets: `file:///srv/bucket`, `s3://bucket/prefix`. */
  readonly name: string
  /** The whole object, or `length` bytes from `offset`. */
  read(key: string, options?: ReadOptions): Promise<Buffer>
  readRange?(key: string, options: RangeOptions): Promise<Buffer>
  write(key: string, data: Uint8Array, options?: WriteOptions): Promise<void>
  delete(key: string, options?: CallOptions): Promise<void>
  exists(key: string, options?: CallOptions): Promise<boolean>
  /** Size in bytes; ENOENT if there is no such object. */
  size(key: string, options?: CallOptions): Promise<number>
  /** Keys that start with `prefix`, in unspecified order; one page is in memory at a time. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>
  /**
   * Throws an FsError that explains why the store cannot be used (unreachable, wrong keys, no such
   * bucket). Changes nothing.
   */
  check(options?: CallOptions): Promise<void>
  close(): Promise<void>
}

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface ReadOptions extends CallOptions {
  offset?: number | undefined
  length?: number | undefined
  /** The caller checks the data itself; the store skips its own check. */
  unchecked?: boolean | undefined
  /**
   * Buffer for the data if it fits; not touched after the call has ended, whether it failed or not.
   */
  into?: Buffer | undefined
}

export interface RangeOptions extends CallOptions {
  offset: number
  /** Greater than 0. */
  length: number
  /** Size of the whole object in bytes. */
  size: number
}

export interface WriteOptions extends CallOptions {
  /** CRC-32 (zlib) of `data` if the caller has it; verified, and stored with the object. */
  crc32?: number | undefined
}

export interface ListedObject {
  key: string
  size: number
}
