/**
 * Rules of single inodes: attributes, set-id bits, extended attributes. Like all rules, they are
 * generators over statements (statement.ts) that run in one transaction of any engine.
 */
import type { Timestamp } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import type { Attributes } from '../filesystem/inode-file-system.ts'
import { baseLimits } from '../base/limits.ts'
import { metadataLimits } from './limits.ts'
import { change, many, one, type Rule } from './statement.ts'

export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
const S_ISUID = 0o4000
export const S_ISGID = 0o2000
const S_IXGRP = 0o010
const PERMISSION_BITS = 0o7777

/** A row of the inode table; field names are those of the mount's attributes. */
export interface InodeRow extends Attributes {
  /**
   * Parent of a directory. For other inodes, the directory in which it was created or to which it
   * was last renamed; that directory may no longer exist.
   */
  parent: number
  /** Number of commits of its content. */
  version: number
}

export const INODE_COLUMNS = `inode.ino, inode.mode, inode.nlink, inode.uid, inode.gid, inode.rdev,
  inode.size, inode.blocks, inode.atime_sec AS "atimeSec", inode.atime_nsec AS "atimeNsec",
  inode.mtime_sec AS "mtimeSec", inode.mtime_nsec AS "mtimeNsec",
  inode.ctime_sec AS "ctimeSec", inode.ctime_nsec AS "ctimeNsec", inode.parent,
  inode.version`

const selectInode = one<InodeRow>(`SELECT ${INODE_COLUMNS} FROM inode WHERE ino = ?`)
const updateAttributes = change(
  'inode.updateAttributes',
  `UPDATE inode SET mode = ?, uid = ?, gid = ?, atime_sec = ?,
  atime_nsec = ?, mtime_sec = ?, mtime_nsec = ?, ctime_sec = ?, ctime_nsec = ? WHERE ino = ?`,
)
const updateMode = change(
  'inode.updateMode',
  'UPDATE inode SET mode = ?, ctime_sec = ?, ctime_nsec = ? WHERE ino = ?',
)
const touchChanged = change(
  'inode.touchChanged',
  'UPDATE inode SET ctime_sec = ?, ctime_nsec = ? WHERE ino = ?',
)
const selectTarget = one<{ target: Uint8Array | null }>('SELECT target FROM inode WHERE ino = ?')
const selectXattr = one<{ value: Uint8Array }>('SELECT value FROM xattr WHERE ino = ? AND name = ?')
const selectXattrNames = many<{ name: Uint8Array }>(
  'SELECT name FROM xattr WHERE ino = ? ORDER BY name',
)
const selectXattrBytes = one<{ bytes: number }>(
  'SELECT COALESCE(SUM(LENGTH(name) + 1), 0) AS bytes FROM xattr WHERE ino = ?',
)
const upsertXattr = change(
  'inode.upsertXattr',
  `INSERT INTO xattr (ino, name, value) VALUES (?, ?, ?)
  ON CONFLICT (ino, name) DO UPDATE SET value = excluded.value`,
)
const deleteXattr = change('inode.deleteXattr', 'DELETE FROM xattr WHERE ino = ? AND name = ?')

/** Throws ESTALE if there is no such inode: numbers are never reused, so it has been deleted. */
export function* getInode(ino: number): Rule<InodeRow> {
  const row = yield* selectInode(ino)
  if (row === undefined) throw new FsError('ESTALE', `inode ${ino} no longer exists`)
  return row
}

/** The content changed. */
export const updateSize = change(
  'inode.updateSize',
  `UPDATE inode SET size = ?, blocks = ?, mtime_sec = ?,
  mtime_nsec = ?, ctime_sec = ?, ctime_nsec = ?, version = version + 1 WHERE ino = ?`,
)
export const findInode = selectInode

export function* getDirectory(ino: number): Rule<InodeRow> {
  const row = yield* selectInode(ino)
  if (row === undefined || row.nlink === 0) {
    throw new FsError('ENOENT', `directory inode ${ino} no longer exists`)
  }
  if ((row.mode & S_IFMT) !== S_IFDIR) {
    throw new FsError('ENOTDIR', `inode ${ino} is not a directory`)
  }
  return row
}

/** Attribute changes other than the size. */
export interface InodeChange {
  mode?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  atime?: Timestamp | undefined
  mtime?: Timestamp | undefined
  /**
   * Whether the caller, who changes owner or group, is in the group of the file: `withoutSetId`.
   */
  inGroup?: boolean | undefined
}

/**
 * The mode after a change of content or owner. Set-group-id without group execute is kept if the
 * caller is in the group of the file (the kernel's `setattr_should_drop_suidgid`).
 */
export function withoutSetId(mode: number, inGroup: boolean): number {
  if ((mode & S_IFMT) === S_IFDIR) return mode
  const kept = mode & ~S_ISUID
  return (kept & S_IXGRP) === 0 && inGroup ? kept : kept & ~S_ISGID
}

export function* changeInode(ino: number, wanted: InodeChange, ctime: Timestamp): Rule<InodeRow> {
  const row = yield* getInode(ino)
  if (wanted.mode !== undefined) {
    row.mode = (row.mode & S_IFMT) | (wanted.mode & PERMISSION_BITS)
  } else if (wanted.uid !== undefined || wanted.gid !== undefined) {
    row.mode = withoutSetId(row.mode, wanted.inGroup ?? true)
  }
  row.uid = wanted.uid ?? row.uid
  row.gid = wanted.gid ?? row.gid
  if (wanted.atime) ({ sec: row.atimeSec, nsec: row.atimeNsec } = wanted.atime)
  if (wanted.mtime) ({ sec: row.mtimeSec, nsec: row.mtimeNsec } = wanted.mtime)
  row.ctimeSec = ctime.sec
  row.ctimeNsec = ctime.nsec
  yield* updateAttributes(
    row.mode,
    row.uid,
    row.gid,
    row.atimeSec,
    row.atimeNsec,
    row.mtimeSec,
    row.mtimeNsec,
    row.ctimeSec,
    row.ctimeNsec,
    ino,
  )
  return row
}

/** Whether the mode has set-id bits that a change of content or owner clears. */
export function hasSetId(mode: number): boolean {
  return (mode & S_IFMT) !== S_IFDIR && (mode & (S_ISUID | S_ISGID)) !== 0
}

/** Clears the set-id bits, as a write without CAP_FSETID must. */
export function* dropSetId(ino: number, inGroup: boolean, ctime: Timestamp): Rule<void> {
  const row = yield* getInode(ino)
  const mode = withoutSetId(row.mode, inGroup)
  if (mode !== row.mode) yield* updateMode(mode, ctime.sec, ctime.nsec, ino)
}

export function* readLink(ino: number): Rule<Uint8Array> {
  const row = yield* selectTarget(ino)
  if (row?.target == null) throw new FsError('EINVAL', `inode ${ino} is not a symbolic link`)
  return row.target
}

export function* getXattr(ino: number, name: Uint8Array): Rule<Uint8Array> {
  const row = yield* selectXattr(ino, name)
  if (row === undefined) throw new FsError('ENODATA', 'no such extended attribute')
  return row.value
}

export function* hasXattr(ino: number, name: Uint8Array): Rule<boolean> {
  return (yield* selectXattr(ino, name)) !== undefined
}

/** Names in byte order. */
export function* listXattr(ino: number): Rule<Uint8Array[]> {
  const rows = yield* selectXattrNames(ino)
  return rows.map((row) => row.name)
}

const XATTR_CREATE = 1
const XATTR_REPLACE = 2

export function* setXattr(
  ino: number,
  name: Uint8Array,
  value: Uint8Array,
  flags: number,
  ctime: Timestamp,
): Rule<void> {
  if (name.length === 0 || name.length > baseLimits.nameBytes) {
    throw new FsError('ERANGE', 'the name of an extended attribute must have 1 to 255 bytes')
  }
  if (value.length > metadataLimits.xattrValueBytes) {
    throw new FsError(
      'E2BIG',
      `an extended attribute has at most ${metadataLimits.xattrValueBytes} bytes`,
    )
  }
  yield* getInode(ino)
  const existing = yield* selectXattr(ino, name)
  if (existing && flags & XATTR_CREATE) throw new FsError('EEXIST', 'the attribute exists')
  if (!existing && flags & XATTR_REPLACE) throw new FsError('ENODATA', 'no such attribute')
  if (!existing) {
    const bytes = (yield* selectXattrBytes(ino))?.bytes ?? 0
    if (bytes + name.length + 1 > metadataLimits.xattrListBytes) {
      throw new FsError('ENOSPC', 'the inode has too many extended attributes')
    }
  }
  yield* upsertXattr(ino, name, value)
  yield* touchChanged(ctime.sec, ctime.nsec, ino)
}

/** Not copied to a file that others write: as with a write, privileges are dropped. */
const CAPABILITY = Buffer.from('security.capability')

/**
 * Gives a new file the owner, mode (unless `mode` is given) and extended attributes of the file
 * that it will replace.
 */
export function* takeAttributes(
  ino: number,
  from: number,
  mode: number | undefined,
  time: Timestamp,
): Rule<void> {
  const { mode: bits, uid, gid } = yield* getInode(from)
  yield* changeInode(ino, { mode: mode ?? withoutSetId(bits, false), uid, gid }, time)
  for (const name of yield* listXattr(from)) {
    if (Buffer.compare(name, CAPABILITY) === 0) continue
    yield* setXattr(ino, name, yield* getXattr(from, name), 0, time)
  }
}

export function* removeXattr(ino: number, name: Uint8Array, ctime: Timestamp): Rule<void> {
  yield* getXattr(ino, name)
  yield* deleteXattr(ino, name)
  yield* touchChanged(ctime.sec, ctime.nsec, ino)
}
