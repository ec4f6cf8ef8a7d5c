/**
 * What the cloud does not have yet, and the paths of files: for telling by name what went with a
 * node. An index of its own keeps the first cheap, however many chunks are durable.
 */
import { ROOT_INODE } from '../filesystem/inode-file-system.ts'
import { CHUNK_COLUMNS, type ChunkReference } from './chunk-rules.ts'
import { many, one, type Rule } from './statement.ts'

/** References after one of an inode and an index, in order, a page at a time. */
export const listUndurable = many<ChunkReference>(`SELECT ${CHUNK_COLUMNS} FROM chunk
  WHERE durable = 0 AND (ino, idx) > (?, ?) ORDER BY ino, idx LIMIT ?`)

interface Entry {
  parent: number
  name: Uint8Array
}

const selectOwnEntry = one<Entry>(`SELECT parent, name FROM dentry
  WHERE parent = (SELECT parent FROM inode WHERE ino = ?) AND ino = ? LIMIT 1`)
const selectAnyEntry = one<Entry>('SELECT parent, name FROM dentry WHERE ino = ? LIMIT 1')

/** One path of an inode; undefined where it has no name. Looks through whole directories. */
export function* pathOf(ino: number): Rule<string | undefined> {
  const names: string[] = []
  for (let at = ino; at !== ROOT_INODE;) {
    // Only a file that has further names need be elsewhere than in its own directory.
    const entry = (yield* selectOwnEntry(at, at)) ?? (yield* selectAnyEntry(at))
    if (entry === undefined) return undefined
    names.unshift(Buffer.from(entry.name).toString())
    at = entry.parent
  }
  return `/${names.join('/')}`
}
