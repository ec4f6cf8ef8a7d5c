/**
 * Detects whether the remote's file is still the version that a change is based on, and chooses the
 * name under which both versions are kept.
 */
import { codeOf } from '../../base/fs-error.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'
import { childOf, nameOf, parentOf } from '../../filesystem/file-path.ts'
import type { Entry } from '../entry.ts'

/** Some stores keep times in whole seconds. */
const TIME_SLACK_MS = 1000

export async function conflictOf(
  remote: FileSystem,
  path: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<boolean> {
  // The file was never looked up, so nothing is known that could have changed.
  if (entry.baseEtag === undefined) return false
  const now = await remote.lstat(path, { signal }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  })
  if ((now?.etag ?? null) === entry.baseEtag) return false
  if (now === null) return entry.stats !== null
  // It may have been sent before a crash without being recorded as sent.
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
