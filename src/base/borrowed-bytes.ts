/**
 * Bytes in a buffer that is reused as soon as the call that received them returns: the data of a
 * kernel request, or the space for its reply. A view that is kept longer would show the bytes of
 * another request, so the type has only a length and no function that expects bytes accepts it. Any
 * `Uint8Array` can be passed as `BorrowedBytes`.
 *
 * Invariants: the bytes are accessible only through `ownCopy` and `lend`; the callback of `lend` is
 * synchronous.
 */
export interface BorrowedBytes {
  readonly length: number
  readonly [Symbol.toStringTag]: 'Uint8Array'
}

/** A copy that may be kept. `Buffer.slice` would return a view of the same memory. */
export function ownCopy(bytes: BorrowedBytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes as Uint8Array)
}

/** Calls `use` with the bytes. Its result is a number, so it cannot be asynchronous. */
export function lend(bytes: BorrowedBytes, use: (bytes: Uint8Array) => number): number {
  return use(bytes as Uint8Array)
}
