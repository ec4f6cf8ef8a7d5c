/**
 * Pending uploads and the paths of their files, to report by name what was lost with a node. A
 * partial index keeps listing them cheap, however many chunks are durable.
 */
import { ROOT_INODE } from '../filesystem/inode-file-system.ts'
import { CHUNK_COLUMNS, type ChunkReference } from './chunk-rules.ts'
import { many, one, type Rule } from './statement.ts'

/** References after the given inode and index, in order, one page. */
export const listPendingUploads = many<ChunkReference>(`SELECT ${CHUNK_COLUMNS} FROM chunk
  WHERE durable = 0 AND (ino, idx) > (?, ?) ORDER BY ino, idx LIMIT ?`)

interface Entry {
  parent: number
  name: Uint8Array
}

const selectOwnEntry = one<Entry>(`SELECT parent, name FROM dentry
  WHERE parent = (SELECT parent FROM inode WHERE ino = ?) AND ino = ? LIMIT 1`)
const selectAnyEntry = one<Entry>('SELECT parent, name FROM dentry WHERE ino = ? LIMIT 1')

/** A path of an inode; undefined if it has no name. Scans whole directories. */
export function* pathOf(ino: number): Rule<string | undefined> {
  const names: string[] = []
  for (let at = ino; at !== ROOT_INODE;) {
    // A file can be missing from its own directory only if it has several names.
    const entry = (yield* selectOwnEntry(at, at)) ?? (yield* selectAnyEntry(at))
    if (entry === undefined) return undefined
    names.unshift(Buffer.from(entry.name).toString())
    at = entry.parent
  }
  return `/${names.join('/')}`
}
