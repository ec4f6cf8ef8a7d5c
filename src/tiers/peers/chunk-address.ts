/** Identifies one immutable content (`id`) of chunk `index` of a file. */
export interface ChunkAddress {
  ino: number
  index: number
  id: number
}
