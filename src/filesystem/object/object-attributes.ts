/**
 * File attributes in the metadata of objects, under the names that s3fs and rclone use: `mode`,
 * `uid`, `gid` in decimal, `mtime` in seconds. An object without them is a plain file.
 */
import { Stats, kindOf } from '../stats.ts'
import type { AttributeChanges } from '../file-system.ts'
import type { ObjectInfo } from './object-store.ts'

const FILE = 0o100644
export const DIRECTORY = 0o040755
export const LINK = 0o120777

export function statsOf(info: ObjectInfo, fallbackMode = FILE): Stats {
  const { metadata, size, etag, modifiedMs } = info
  const mode = numberIn(metadata['mode']) ?? fallbackMode
  const kind = kindOf(mode) === 'other' ? kindOf(fallbackMode) : kindOf(mode)
  return new Stats({
    kind,
    mode,
    size: kind === 'directory' ? 0 : size,
    uid: numberIn(metadata['uid']),
    gid: numberIn(metadata['gid']),
    mtimeMs: secondsIn(metadata['mtime']) ?? modifiedMs,
    atimeMs: secondsIn(metadata['atime']) ?? modifiedMs,
    ctimeMs: modifiedMs,
    etag,
  })
}

export function metadataOf(mode: number, mtimeMs?: number): Record<string, string> {
  return { mode: String(mode), ...(mtimeMs === undefined ? {} : { mtime: seconds(mtimeMs) }) }
}

/** A new version keeps the owner of the previous one. */
export function ownerIn({ uid, gid }: Record<string, string>): Record<string, string> {
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

export function changed(
  metadata: Record<string, string>,
  stats: Stats,
  { mode, uid, gid, atimeMs, mtimeMs }: AttributeChanges,
): Record<string, string> {
  const bits = mode === undefined ? stats.mode : (stats.mode & ~0o7777) | (mode & 0o7777)
  return {
    ...metadata,
    mode: String(bits),
    mtime: seconds(mtimeMs ?? stats.mtimeMs),
    ...(uid === undefined ? {} : { uid: String(uid) }),
    ...(gid === undefined ? {} : { gid: String(gid) }),
    ...(atimeMs === undefined ? {} : { atime: seconds(atimeMs) }),
  }
}

function seconds(ms: number): string {
  return String(ms / 1000)
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** Other tools write fractions: `1700000000.123456789`. */
function secondsIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : undefined
}
