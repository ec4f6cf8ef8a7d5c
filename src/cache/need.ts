/** What an operation on a file's bytes may have to wait for (see base/blocked.ts): plain data. */
export type Need =
  /** Chunks `first` to `last` of an inode have to be fetched. */
  | { kind: 'chunks'; ino: number; first: number; last: number; reading: boolean }
  /** The disk has to take so many bytes more. */
  | { kind: 'space'; bytes: number }
  /** So many bytes more may be written only when older ones are durable. */
  | { kind: 'unsynced'; bytes: number }
  /** The committed content of an inode has to be in the cloud. */
  | { kind: 'durable'; ino: number }
