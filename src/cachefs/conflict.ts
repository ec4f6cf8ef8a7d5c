/**
 * Whether the remote's file is the one that a change was made to, and where the change goes when
 * both are to be kept.
 */
import { codeOf } from '../base/fs-error.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { childOf, nameOf, parentOf } from '../filesystem/file-path.ts'
import type { Entry } from './entry.ts'

/** Times that went through a store with whole seconds. */
const TIME_SLACK_MS = 1000

export async function conflictOf(
  remote: FileSystem,
  path: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<boolean> {
  // Never looked at: nothing is known that could have changed.
  if (entry.baseEtag === undefined) return false
  const now = await remote.lstat(path, { signal }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  })
  if ((now?.etag ?? null) === entry.baseEtag) return false
  if (now === null) return entry.stats !== null
  // What was sent before a crash, and not written down as sent.
  const { size, mtimeMs = 0 } = entry.stats ?? {}
  return now.size !== size || Math.abs(now.mtimeMs - mtimeMs) > TIME_SLACK_MS
}

/** `report.txt` becomes `report.conflict-20260131T120000123Z.txt`. */
export function keptName(path: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:.]/g, '')
  const name = nameOf(path)
  const dot = name.lastIndexOf('.')
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  return childOf(parentOf(path), `${stem}.conflict-${stamp}${extension}`)
}
