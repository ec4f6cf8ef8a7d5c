/**
 * Which nodes have chunks of a file, according to their announcements. A location is a hint: the
 * node may have evicted the chunks since, and the caller then tries the next node.
 */
export type FileReference = { path: string } | { ino: number }

export interface FileLocation {
  /** Node ids in no particular order; some of the nodes may be offline. */
  peers: readonly string[]
  sizeBytes?: number
  /** Whether the cloud has the whole file. */
  durable?: boolean
}

export interface FileLocations {
  /** Throws ENOENT if the file is known not to exist. */
  find(file: FileReference): Promise<FileLocation>
  /** Announces that a node has chunks of the file, or no longer has any (`present` is false). */
  announce(file: FileReference, peerId: string, present: boolean): Promise<void>
}
