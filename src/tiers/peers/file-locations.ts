/**
 * Which nodes have chunks of a file, as far as anybody said so. An answer is a hint: a node may
 * have evicted what it announced, and who asks it then goes on to the next.
 */
export type FileReference = { path: string } | { ino: number }

export interface FileLocation {
  /** Ids of nodes, in no order; some may not be there any more. */
  peers: readonly string[]
  sizeBytes?: number
  /** Whether the cloud has all of it. */
  durable?: boolean
}

export interface FileLocations {
  /** ENOENT: there is no such file, where that is known. */
  find(file: FileReference): Promise<FileLocation>
  /** A node says that it has chunks of the file, or (not `present`) that it has none any more. */
  announce(file: FileReference, peerId: string, present: boolean): Promise<void>
}
