/** Names one immutable content of one chunk, and where it stands in which file. */
export interface ChunkAddress {
  ino: number
  index: number
  id: number
}
