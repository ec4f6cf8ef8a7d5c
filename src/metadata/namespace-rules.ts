/**
 * POSIX rules of names: entries are created, moved and removed atomically, with the link counts and
 * times that follow, and directories stay a tree. The kernel checks permissions; the rules check
 * what requires the whole transaction.
 *
 * Invariant: an inode that loses its last name keeps its row (nlink 0) until `purgeOrphan`.
 */
import type { Timestamp } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import { baseLimits } from '../base/limits.ts'
import { metadataLimits } from './limits.ts'
import {
  INODE_COLUMNS,
  S_IFDIR,
  S_IFMT,
  S_ISGID,
  getDirectory,
  getInode,
  type InodeRow,
} from './inode-rules.ts'
import { change, many, one, type Rule } from './statement.ts'

export interface EntryRow {
  name: Uint8Array
  seq: number
  ino: number
  type: number
}

const selectEntry = one<EntryRow>(
  'SELECT name, seq, ino, type FROM dentry WHERE parent = ? AND name = ?',
)
export const findEntryInode = one<InodeRow>(`SELECT ${INODE_COLUMNS} FROM dentry
  JOIN inode ON inode.ino = dentry.ino WHERE dentry.parent = ? AND dentry.name = ?`)
const selectSeq = one<{ seq: number }>('SELECT seq FROM dentry WHERE parent = ? AND name = ?')
const selectAnyEntry = one<{ ino: number }>('SELECT ino FROM dentry WHERE parent = ? LIMIT 1')
/** Scans all entries; for rare cases. */
export const findName = one<{ name: Uint8Array }>('SELECT name FROM dentry WHERE ino = ? LIMIT 1')
const insertEntry = change(
  'namespace.insertEntry',
  'INSERT INTO dentry (parent, name, seq, ino, type) VALUES (?, ?, ?, ?, ?)',
)
const deleteEntry = change(
  'namespace.deleteEntry',
  'DELETE FROM dentry WHERE parent = ? AND name = ?',
)
const repointEntry = change(
  'namespace.repointEntry',
  'UPDATE dentry SET ino = ?, type = ? WHERE parent = ? AND name = ?',
)
const insertInode = change(
  'namespace.insertInode',
  `INSERT INTO inode (ino, mode, nlink, uid, gid, rdev, size, blocks,
  atime_sec, atime_nsec, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, parent, target)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
)
const setLinks = change(
  'namespace.setLinks',
  'UPDATE inode SET nlink = ?, ctime_sec = ?, ctime_nsec = ? WHERE ino = ?',
)
const touchDirectory = change(
  'namespace.touchDirectory',
  `UPDATE inode SET nlink = nlink + ?, mtime_sec = ?, mtime_nsec = ?,
  ctime_sec = ?, ctime_nsec = ? WHERE ino = ?`,
)
const setParent = change(
  'namespace.setParent',
  'UPDATE inode SET parent = ?, ctime_sec = ?, ctime_nsec = ? WHERE ino = ?',
)
const selectParent = one<{ parent: number }>('SELECT parent FROM inode WHERE ino = ?')

/**
 * Entries before a position, newest first. Entries that are created during a listing are not
 * listed, so a listing ends, whatever its reader creates or moves meanwhile.
 */
export const listEntries = many<EntryRow>(
  'SELECT name, seq, ino, type FROM dentry WHERE parent = ? AND seq < ? ORDER BY seq DESC LIMIT ?',
)
export const listEntriesWithInodes = many<InodeRow & EntryRow>(`SELECT dentry.name, dentry.seq,
  dentry.type, ${INODE_COLUMNS} FROM dentry JOIN inode ON inode.ino = dentry.ino
  WHERE dentry.parent = ? AND dentry.seq < ? ORDER BY dentry.seq DESC LIMIT ?`)

/** Size of a directory in stat(2): one block, as on ext4. */
const DIRECTORY_BYTES = 4096

function checkName(name: Uint8Array): void {
  if (name.length > baseLimits.nameBytes) {
    throw new FsError('ENAMETOOLONG', `a name has at most ${baseLimits.nameBytes} bytes`)
  }
  const dots = name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))
  if (name.length === 0 || dots || name.includes(0) || name.includes(0x2f)) {
    throw new FsError('EINVAL', 'a name must not be empty, ".", "..", or contain a slash or NUL')
  }
}

export function* lookup(parent: number, name: Uint8Array): Rule<InodeRow> {
  const row = yield* findEntryInode(parent, name)
  if (row !== undefined) return row
  if (name.length > baseLimits.nameBytes) {
    throw new FsError('ENAMETOOLONG', `a name has at most ${baseLimits.nameBytes} bytes`)
  }
  throw new FsError('ENOENT', 'no such file or directory')
}

export interface NewInode {
  ino: number
  seq: number
  mode: number
  uid: number
  gid: number
  rdev: number
  target: Uint8Array | null
}

/** Creates an inode of any type with a name. A set-group-id directory passes on its group. */
export function* create(
  parent: number,
  name: Uint8Array,
  wanted: NewInode,
  time: Timestamp,
): Rule<InodeRow> {
  checkName(name)
  const directory = yield* getDirectory(parent)
  if ((yield* selectEntry(parent, name)) !== undefined) throw new FsError('EEXIST', 'file exists')
  const type = wanted.mode & S_IFMT
  const isDirectory = type === S_IFDIR
  const inherits = (directory.mode & S_ISGID) !== 0
  const mode = inherits && isDirectory ? wanted.mode | S_ISGID : wanted.mode
  if (isDirectory && directory.nlink >= metadataLimits.linksPerInode) {
    throw new FsError('EMLINK', 'too many directories in this directory')
  }
  const row = newRow(wanted, mode, inherits ? directory.gid : wanted.gid, time)
  row.nlink = isDirectory ? 2 : 1
  row.parent = parent
  yield* storeInode(row, wanted.target)
  yield* insertEntry(parent, name, wanted.seq, row.ino, type)
  yield* touchDirectory(isDirectory ? 1 : 0, time.sec, time.nsec, time.sec, time.nsec, parent)
  return row
}

function newRow(wanted: NewInode, mode: number, gid: number, time: Timestamp): InodeRow {
  const isDirectory = (mode & S_IFMT) === S_IFDIR
  return {
    ino: wanted.ino,
    mode,
    nlink: 0,
    uid: wanted.uid,
    gid,
    rdev: wanted.rdev,
    size: isDirectory ? DIRECTORY_BYTES : (wanted.target?.length ?? 0),
    blocks: isDirectory ? DIRECTORY_BYTES / 512 : 0,
    atimeSec: time.sec,
    atimeNsec: time.nsec,
    mtimeSec: time.sec,
    mtimeNsec: time.nsec,
    ctimeSec: time.sec,
    ctimeNsec: time.nsec,
    parent: 0,
    version: 0,
  }
}

function* storeInode(row: InodeRow, target: Uint8Array | null): Rule<void> {
  yield* insertInode(
    row.ino,
    row.mode,
    row.nlink,
    row.uid,
    row.gid,
    row.rdev,
    row.size,
    row.blocks,
    row.atimeSec,
    row.atimeNsec,
    row.mtimeSec,
    row.mtimeNsec,
    row.ctimeSec,
    row.ctimeNsec,
    row.parent,
    target,
  )
}

/**
 * Creates an inode without a name, to be written and then linked: the file of a streaming PUT. It
 * belongs to `parent` from the start, whose durability policy applies to its first commit.
 */
export function* createOrphan(parent: number, wanted: NewInode, time: Timestamp): Rule<InodeRow> {
  const directory = yield* getDirectory(parent)
  const inherits = (directory.mode & S_ISGID) !== 0
  const row = newRow(wanted, wanted.mode, inherits ? directory.gid : wanted.gid, time)
  row.parent = parent
  yield* storeInode(row, wanted.target)
  return row
}

export function* link(
  ino: number,
  parent: number,
  name: Uint8Array,
  seq: number,
  time: Timestamp,
): Rule<InodeRow> {
  checkName(name)
  const row = yield* getInode(ino)
  if ((row.mode & S_IFMT) === S_IFDIR) throw new FsError('EPERM', 'a directory has only one name')
  if (row.nlink >= metadataLimits.linksPerInode) throw new FsError('EMLINK', 'too many links')
  yield* getDirectory(parent)
  if ((yield* selectEntry(parent, name)) !== undefined) throw new FsError('EEXIST', 'file exists')
  yield* insertEntry(parent, name, seq, ino, row.mode & S_IFMT)
  row.nlink += 1
  row.ctimeSec = time.sec
  row.ctimeNsec = time.nsec
  yield* setLinks(row.nlink, time.sec, time.nsec, ino)
  yield* touchDirectory(0, time.sec, time.nsec, time.sec, time.nsec, parent)
  return row
}

/** For callers that have locked no inode: accepts any inode at the name. */
export const ANY_INODE = -1

/** An inode that lost a name. */
export interface Removed {
  ino: number
  /** Remaining names; 0: the inode is purged when nobody has it open (`purgeOrphan`). */
  nlink: number
}

/**
 * Removes a name. `expected` is the inode that the caller found there and has locked; if the name
 * now refers to another inode, nothing changes and the result is undefined.
 */
export function* unlink(
  parent: number,
  name: Uint8Array,
  expected: number,
  time: Timestamp,
): Rule<Removed | undefined> {
  yield* getDirectory(parent)
  const row = yield* lookup(parent, name)
  if (expected !== ANY_INODE && row.ino !== expected) return undefined
  if ((row.mode & S_IFMT) === S_IFDIR) throw new FsError('EISDIR', 'is a directory')
  yield* deleteEntry(parent, name)
  yield* touchDirectory(0, time.sec, time.nsec, time.sec, time.nsec, parent)
  return yield* dropName(row, time)
}

/** Removes one name of a file; an (empty) directory loses all its links. */
function* dropName(row: InodeRow, time: Timestamp): Rule<Removed> {
  const nlink = (row.mode & S_IFMT) === S_IFDIR ? 0 : row.nlink - 1
  yield* setLinks(nlink, time.sec, time.nsec, row.ino)
  return { ino: row.ino, nlink }
}

export function* rmdir(
  parent: number,
  name: Uint8Array,
  expected: number,
  time: Timestamp,
): Rule<Removed | undefined> {
  const row = yield* lookup(parent, name)
  if (expected !== ANY_INODE && row.ino !== expected) return undefined
  if ((row.mode & S_IFMT) !== S_IFDIR) throw new FsError('ENOTDIR', 'not a directory')
  yield* checkEmpty(row.ino)
  yield* deleteEntry(parent, name)
  yield* touchDirectory(-1, time.sec, time.nsec, time.sec, time.nsec, parent)
  return yield* dropName(row, time)
}

function* checkEmpty(directory: number): Rule<void> {
  if ((yield* selectAnyEntry(directory)) !== undefined) {
    throw new FsError('ENOTEMPTY', 'directory is not empty')
  }
}

export interface Place {
  parent: number
  name: Uint8Array
}

export interface RenameOptions {
  noReplace: boolean
  /** Inode that the caller found at the target and has locked; 0 if there was none. */
  expectedTarget: number
  /** Position in readdir order if the name is new in its directory. */
  seq: number
}

/** 'changed': the target now refers to another inode; nothing was changed. */
export type RenameOutcome =
  { moved: number; isDirectory: boolean; removed: Removed | undefined } | 'changed'

export function* rename(
  from: Place,
  to: Place,
  options: RenameOptions,
  time: Timestamp,
): Rule<RenameOutcome> {
  checkName(from.name)
  checkName(to.name)
  const source = yield* lookup(from.parent, from.name)
  yield* getDirectory(to.parent)
  const target = yield* findEntryInode(to.parent, to.name)
  if (target && options.noReplace) throw new FsError('EEXIST', 'the target exists')
  const { expectedTarget } = options
  if (expectedTarget !== ANY_INODE && (target?.ino ?? 0) !== expectedTarget) return 'changed'
  const isDirectory = (source.mode & S_IFMT) === S_IFDIR
  if (target?.ino === source.ino) return { moved: source.ino, isDirectory, removed: undefined }
  if (isDirectory) yield* checkNotInside(source.ino, to.parent)
  if (target) yield* checkReplaceable(isDirectory, target)
  const seq = yield* positionAfterRename(from, to, options.seq)
  yield* deleteEntry(from.parent, from.name)
  if (target) yield* deleteEntry(to.parent, to.name)
  yield* insertEntry(to.parent, to.name, seq, source.ino, source.mode & S_IFMT)
  yield* moveLinks(isDirectory, from.parent, to.parent, target !== undefined, time)
  yield* setParent(to.parent, time.sec, time.nsec, source.ino)
  const removed = target ? yield* dropName(target, time) : undefined
  return { moved: source.ino, isDirectory, removed }
}

/**
 * A replaced name keeps its position, and so does an entry that is renamed within its directory: a
 * listing in progress neither misses it nor returns it twice.
 */
function* positionAfterRename(from: Place, to: Place, fresh: number): Rule<number> {
  const replaced = yield* selectSeq(to.parent, to.name)
  if (replaced) return replaced.seq
  if (from.parent !== to.parent) return fresh
  return (yield* selectSeq(from.parent, from.name))?.seq ?? fresh
}

/** Updates times and link counts of the directories after a move. */
function* moveLinks(
  isDirectory: boolean,
  from: number,
  to: number,
  replaced: boolean,
  time: Timestamp,
): Rule<void> {
  const lost = isDirectory ? -1 : 0
  const gained = isDirectory && !replaced ? 1 : 0
  const { sec, nsec } = time
  if (from === to) yield* touchDirectory(lost + gained, sec, nsec, sec, nsec, to)
  else {
    yield* touchDirectory(lost, sec, nsec, sec, nsec, from)
    yield* touchDirectory(gained, sec, nsec, sec, nsec, to)
  }
}

function* checkReplaceable(isDirectory: boolean, target: InodeRow): Rule<void> {
  const targetIsDirectory = (target.mode & S_IFMT) === S_IFDIR
  if (isDirectory && !targetIsDirectory) throw new FsError('ENOTDIR', 'target is not a directory')
  if (!isDirectory && targetIsDirectory) throw new FsError('EISDIR', 'the target is a directory')
  if (targetIsDirectory) yield* checkEmpty(target.ino)
}

/** Throws EINVAL if `directory` is `ancestor` or below it. */
function* checkNotInside(ancestor: number, directory: number): Rule<void> {
  for (let at = directory; at !== 0;) {
    if (at === ancestor) throw new FsError('EINVAL', 'cannot move a directory into itself')
    at = (yield* selectParent(at))?.parent ?? 0
  }
}

/** Exchanges two names of any type; returns the two inodes. */
export function* exchange(from: Place, to: Place, time: Timestamp): Rule<readonly number[]> {
  const a = yield* lookup(from.parent, from.name)
  const b = yield* lookup(to.parent, to.name)
  if (a.ino === b.ino) return []
  const aIsDirectory = (a.mode & S_IFMT) === S_IFDIR
  const bIsDirectory = (b.mode & S_IFMT) === S_IFDIR
  if (aIsDirectory) yield* checkNotInside(a.ino, to.parent)
  if (bIsDirectory) yield* checkNotInside(b.ino, from.parent)
  yield* repointEntry(b.ino, b.mode & S_IFMT, from.parent, from.name)
  yield* repointEntry(a.ino, a.mode & S_IFMT, to.parent, to.name)
  yield* setParent(to.parent, time.sec, time.nsec, a.ino)
  yield* setParent(from.parent, time.sec, time.nsec, b.ino)
  const shift = Number(bIsDirectory) - Number(aIsDirectory)
  const [moves, stays] = from.parent === to.parent ? [0, 0] : [shift, -shift]
  yield* touchDirectory(moves, time.sec, time.nsec, time.sec, time.nsec, from.parent)
  yield* touchDirectory(stays, time.sec, time.nsec, time.sec, time.nsec, to.parent)
  return [a.ino, b.ino]
}
