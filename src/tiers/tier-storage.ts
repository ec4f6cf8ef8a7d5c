/**
 * The contract of a place where bytes live. Keys are slash-separated ASCII (`[A-Za-z0-9._/-]`, no
 * empty, `.` or `..` parts). An object is immutable by convention: a key is written once with one
 * content (writing it again replaces it whole, never a mix).
 *
 * - `write` returns only when the store has taken the whole object and has checked it against a
 *   checksum that was sent along; a failed or aborted write leaves no object that `read` would
 *   give.
 * - `read` answers exactly the object's bytes (or the range), or throws. ENOENT: no such object. A
 *   whole object is checked against a checksum that is stored with it, where there is one.
 * - `readRange`, where there is one, answers bytes that were checked against checksums stored with
 *   the object; EOPNOTSUPP where it has none: it has to be read whole then.
 * - `delete` of what is not there succeeds.
 * - Every error is an `FsError`: ENOENT (no such object), EACCES (credentials or rights), EINVAL
 *   (a key or range that cannot be), ETIMEDOUT, ECANCELED (aborted), ENOSPC, else EIO; its message
 *   says what was tried, where, and its cause.
 * - Each call is one attempt as far as the caller sees: retries are the caller's.
 */
export interface TierStorage {
  /** For logs and receipts, without secrets: `file:///srv/bucket`, `s3://bucket/prefix`. */
  readonly name: string
  /** Whole object, or `length` bytes from `offset`. */
  read(key: string, options?: ReadOptions): Promise<Buffer>
  readRange?(key: string, options: RangeOptions): Promise<Buffer>
  write(key: string, data: Uint8Array, options?: WriteOptions): Promise<void>
  delete(key: string, options?: CallOptions): Promise<void>
  exists(key: string, options?: CallOptions): Promise<boolean>
  /** Bytes; ENOENT where there is no such object. */
  size(key: string, options?: CallOptions): Promise<number>
  /** Keys that start with `prefix`, in no promised order, a page in memory at a time. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>
  /**
   * Says in one sentence why this place cannot be used (unreachable, wrong keys, no such bucket),
   * as an FsError; changes nothing.
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
  /** The caller checks the bytes itself: a pass over them that finds damage is not done twice. */
  unchecked?: boolean | undefined
  /** Where the answer goes if it fits; left alone once the call has ended, however it ended. */
  into?: Buffer | undefined
}

export interface RangeOptions extends CallOptions {
  offset: number
  /** Above 0. */
  length: number
  /** Bytes of the whole object. */
  size: number
}

export interface WriteOptions extends CallOptions {
  /** CRC-32 (zlib) of `data`, where the caller has it already; sent or stored with the object. */
  crc32?: number | undefined
}

export interface ListedObject {
  key: string
  size: number
}
