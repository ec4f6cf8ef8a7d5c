/**
 * Converts attributes between the form of the kernel (separate seconds and nanoseconds) and
 * `Stats`, and clears set-id bits where a change requires it.
 */
import type { Attributes, AttributeChange } from '../inode-file-system.ts'
import type { AttributeChanges } from '../file-system.ts'
import type { Stats } from '../stats.ts'

const TYPE_MASK = 0o170000
const REGULAR = 0o100000
const SET_UID = 0o4000
const SET_GID = 0o2000
const GROUP_EXECUTES = 0o010

export function attributesOf(ino: number, stats: Stats): Attributes {
  const { mode, uid, gid, size, blocks } = stats
  // A link count of 1 means, as on btrfs, that subdirectories are not counted.
  const nlink = stats.isDirectory() ? Math.min(1, stats.nlink) : stats.nlink
  const [atimeSec, atimeNsec] = split(stats.atimeMs)
  const [mtimeSec, mtimeNsec] = split(stats.mtimeMs)
  const [ctimeSec, ctimeNsec] = split(stats.ctimeMs)
  return {
    ino,
    // The kernel accepts no file without a type; other kinds are visible but cannot be opened.
    mode: (mode & TYPE_MASK) === 0 ? mode | REGULAR : mode,
    ...{ nlink, uid, gid, rdev: 0, size, blocks },
    ...{ atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec },
  }
}

function split(ms: number): [number, number] {
  const sec = Math.floor(ms / 1000)
  return [sec, Math.min(999_999_999, Math.round((ms - sec * 1000) * 1e6))]
}

/** The requested changes; owner and group, and both times, are always set together. */
export function changesOf(change: AttributeChange, before: Stats): AttributeChanges {
  const { mode, uid, gid, atime, mtime } = change
  const changes: AttributeChanges = {}
  if (mode !== undefined) changes.mode = mode & 0o7777
  const isOwned = uid !== undefined || gid !== undefined
  if (isOwned) Object.assign(changes, { uid: uid ?? before.uid, gid: gid ?? before.gid })
  if (atime !== undefined || mtime !== undefined) {
    changes.atimeMs = atime === undefined ? before.atimeMs : msOf(atime)
    changes.mtimeMs = mtime === undefined ? before.mtimeMs : msOf(mtime)
  }
  const drops = (isOwned || change.killSetId === true) && mode === undefined
  const left = drops ? withoutSetId(before) : undefined
  if (left !== undefined) changes.mode = left
  return changes
}

/** Mode and owner of a new inode: a set-group-id directory passes on its group. */
export function wantedOf(
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
  made: Stats,
  parent: Stats,
): { uid: number; gid: number; mode: number } {
  const bits = mode & 0o7777
  if ((parent.mode & SET_GID) === 0) return { uid, gid, mode: bits }
  return { uid, gid: parent.gid, mode: made.isDirectory() ? bits | SET_GID : bits }
}

/** Permission bits without set-id bits; undefined if there are none. */
export function withoutSetId(stats: Stats): number | undefined {
  const mode = stats.mode & 0o7777
  const bits = SET_UID | ((mode & GROUP_EXECUTES) === 0 ? 0 : SET_GID)
  return stats.isFile() && (mode & bits) !== 0 ? mode & ~bits : undefined
}

/** Whole milliseconds, which every remote can store. */
function msOf(time: { sec: number; nsec: number } | 'now'): number {
  return time === 'now' ? Date.now() : time.sec * 1000 + Math.floor(time.nsec / 1e6)
}
