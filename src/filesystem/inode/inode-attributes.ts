/**
 * Attributes as the kernel has them (seconds and nanoseconds apart) and as `Stats` has them, and
 * what a change of them comes to where the set-id bits have to go.
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
  // One for a directory says, as on btrfs, that directories in it are not counted.
  const nlink = stats.isDirectory() ? Math.min(1, stats.nlink) : stats.nlink
  const [atimeSec, atimeNsec] = split(stats.atimeMs)
  const [mtimeSec, mtimeNsec] = split(stats.mtimeMs)
  const [ctimeSec, ctimeNsec] = split(stats.ctimeMs)
  return {
    ino,
    // The kernel takes no file without a type; what is none of ours can be seen, not opened.
    mode: (mode & TYPE_MASK) === 0 ? mode | REGULAR : mode,
    ...{ nlink, uid, gid, rdev: 0, size, blocks },
    ...{ atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec },
  }
}

function split(ms: number): [number, number] {
  const sec = Math.floor(ms / 1000)
  return [sec, Math.min(999_999_999, Math.round((ms - sec * 1000) * 1e6))]
}

/** What a change asks for; of owner and group, and of the times, always both or none. */
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

/** Bits and owner of what is made: a set-group-id directory hands on its group. */
export function wantedOf(
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
  made: Stats,
  parent: Stats,
): { uid: number; gid: number; mode: number } {
  const bits = mode & 0o7777
  if ((parent.mode & SET_GID) === 0) return { uid, gid, mode: bits }
  return { uid, gid: parent.gid, mode: made.isDirectory() ? bits | SET_GID : bits }
}

/** Permission bits without those that give rights away; undefined where there are none. */
export function withoutSetId(stats: Stats): number | undefined {
  const mode = stats.mode & 0o7777
  const bits = SET_UID | ((mode & GROUP_EXECUTES) === 0 ? 0 : SET_GID)
  return stats.isFile() && (mode & bits) !== 0 ? mode & ~bits : undefined
}

/** Whole milliseconds: what every remote keeps. */
function msOf(time: { sec: number; nsec: number } | 'now'): number {
  return time === 'now' ? Date.now() : time.sec * 1000 + Math.floor(time.nsec / 1e6)
}
