/**
 * Bytes in a buffer that is reused as soon as the call that was given them has returned: the data
 * of a kernel request, the room for its answer. A view kept longer shows the bytes of another
 * request, so the type offers no way to keep one: it has a length and nothing else, and nothing
 * that takes bytes accepts it. Any `Uint8Array` may be passed as `BorrowedBytes`.
 *
 * Invariants: `ownCopy` and `lend` are the only ways to the bytes; what `lend` calls is
 * synchronous.
 */
export interface BorrowedBytes {
  readonly length: number
  readonly [Symbol.toStringTag]: 'Uint8Array'
}

/** A copy to keep, or to await with. `Buffer.slice` would be a view of the same memory. */
export function ownCopy(bytes: BorrowedBytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes as Uint8Array)
}

/** Calls `use` with the bytes themselves. It returns a number, so it cannot be asynchronous. */
export function lend(bytes: BorrowedBytes, use: (bytes: Uint8Array) => number): number {
  return use(bytes as Uint8Array)
}
