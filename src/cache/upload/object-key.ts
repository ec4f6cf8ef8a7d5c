/**
 * Keys of chunk objects: `chunks/<low byte of inode>/<inode>/<index>-<chunk id>`. Inode and index
 * are in the key so that the bucket alone can be listed and rebuilt; the id makes it immutable.
 */
export function chunkKey(ino: number, index: number, id: number): string {
  const shard = (ino % 256).toString(16).padStart(2, '0')
  return `chunks/${shard}/${ino}/${index}-${id}`
}
