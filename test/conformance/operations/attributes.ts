/** Operations on attributes: modes, owners, times, sizes, extended attributes. */
import { fstatSync, lstatSync, statSync, statfsSync, type BigIntStats } from 'node:fs'
import { bytesOf, numberOf, textOf } from '../bytes.ts'
import {
  AT_EACCESS,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  UTIME_NOW,
  UTIME_OMIT,
  chmod,
  faccessat,
  fchmod,
  fchown,
  fchownat,
  getxattr,
  listxattr,
  removexattr,
  setxattr,
  truncate,
  utimensat,
} from '../system-calls.ts'
import { idOf, nameOf } from '../users.ts'
import { flagsOf, modeOf, type Operations, type ProcessState } from './operation.ts'

const BLOCK_BYTES = 512n
const XATTR_FLAGS = { XATTR_CREATE: 1, XATTR_REPLACE: 2 }

type Field = (stat: BigIntStats) => string

const FIELDS: Readonly<Record<string, Field>> = {
  type: (stat) => typeOf(stat),
  mode: ({ mode }) => (Number(mode) & 0o7777).toString(8).padStart(4, '0'),
  nlink: ({ nlink }) => String(nlink),
  owner: ({ uid }) => nameOf(Number(uid)),
  group: ({ gid }) => nameOf(Number(gid)),
  size: ({ size }) => String(size),
  device: ({ rdev }) => `${(rdev >> 8n) & 0xfffn}:${(rdev & 0xffn) | ((rdev >> 12n) & ~0xffn)}`,
  /** How much of the size is allocated: none, some or all. */
  allocated: ({ size, blocks }) =>
    blocks === 0n ? 'none' : blocks * BLOCK_BYTES >= size ? 'all' : 'some',
  /** Allocated space in KiB. */
  kib: ({ blocks }) => String((blocks * BLOCK_BYTES) / 1024n),
  atime: ({ atimeNs }) => secondsOf(atimeNs),
  mtime: ({ mtimeNs }) => secondsOf(mtimeNs),
}

function typeOf(stat: BigIntStats): string {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'link'
  if (stat.isFIFO()) return 'fifo'
  if (stat.isSocket()) return 'socket'
  return stat.isBlockDevice() ? 'block' : 'char'
}

function secondsOf(ns: bigint): string {
  const fraction = String(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)
  const seconds = (ns - BigInt(fraction)) / 1_000_000_000n
  return fraction === '0' ? String(seconds) : `${seconds}.${fraction.padStart(9, '0')}`
}

function show(stat: BigIntStats, fields: readonly string[]): string {
  return fields.map((name) => FIELDS[name]?.(stat) ?? `no field ${name}`).join(' ')
}

function find(process: ProcessState, name: string): BigIntStats {
  const fd = process.files.get(name)
  return fd === undefined ? lstatSync(name, { bigint: true }) : fstatSync(fd, { bigint: true })
}

/** Waits for the clock of file systems, which advances every few milliseconds, to move. */
function awaitTick(): void {
  const untilMs = performance.now() + 12
  while (performance.now() < untilMs);
}

/** Encodes times: `now`, `omit` or seconds, with an optional fraction. */
function timesOf(texts: readonly (string | undefined)[]): Buffer {
  const times = Buffer.alloc(32)
  for (const [at, text = 'now'] of texts.entries()) {
    const [seconds = '0', fraction = '0'] = text.split('.')
    const special = text === 'now' ? UTIME_NOW : text === 'omit' ? UTIME_OMIT : undefined
    times.writeBigInt64LE(special === undefined ? BigInt(seconds) : 0n, at * 16)
    times.writeBigInt64LE(BigInt(special ?? fraction.padEnd(9, '0')), at * 16 + 8)
  }
  return times
}

export const attributes: Operations = {
  /** stat NAME FIELD... */
  stat(_, [name, ...fields]) {
    return show(statSync(name!, { bigint: true }), fields)
  },
  lstat(_, [name, ...fields]) {
    return show(lstatSync(name!, { bigint: true }), fields)
  },
  /** fstat FILE FIELD... */
  fstat(process, [file, ...fields]) {
    return show(fstatSync(process.file(file), { bigint: true }), fields)
  },
  /** same NAME OTHER: whether both are the same inode. */
  same(process, [one, other]) {
    const [a, b] = [find(process, one!), find(process, other!)]
    return a.ino === b.ino && a.dev === b.dev ? 'same' : 'different'
  },
  /** note NAME: saves the attributes of a name or an open file for `changed NAME`. */
  note(process, [name]) {
    process.notes.set(name!, find(process, name!))
    awaitTick()
    return undefined
  },
  /** changed NAME: prints which of its times have increased since `note NAME`. */
  changed(process, [name]) {
    const before = process.notes.get(name!)!
    const after = find(process, name!)
    const times = ['atimeNs', 'mtimeNs', 'ctimeNs'] as const
    const moved = times.filter((time) => after[time] > before[time])
    return moved.map((time) => time.slice(0, -2)).join(' ') || 'nothing'
  },
  chmod(_, [name, mode]) {
    chmod(name!, modeOf(mode, 0))
    return undefined
  },
  fchmod(process, [file, mode]) {
    fchmod(process.file(file), modeOf(mode, 0))
    return undefined
  },
  /** chown NAME OWNER GROUP; -1 leaves one unchanged. */
  chown(_, [name, owner, group]) {
    fchownat(AT_FDCWD, name!, idOf(owner!) >>> 0, idOf(group!) >>> 0, 0)
    return undefined
  },
  lchown(_, [name, owner, group]) {
    fchownat(AT_FDCWD, name!, idOf(owner!) >>> 0, idOf(group!) >>> 0, AT_SYMLINK_NOFOLLOW)
    return undefined
  },
  fchown(process, [file, owner, group]) {
    fchown(process.file(file), idOf(owner!) >>> 0, idOf(group!) >>> 0)
    return undefined
  },
  /** utimes NAME ATIME MTIME: each `now`, `omit` or seconds. */
  utimes(_, [name, atime, mtime]) {
    utimensat(AT_FDCWD, name!, timesOf([atime, mtime]), 0)
    return undefined
  },
  lutimes(_, [name, atime, mtime]) {
    utimensat(AT_FDCWD, name!, timesOf([atime, mtime]), AT_SYMLINK_NOFOLLOW)
    return undefined
  },
  truncate(_, [name, size]) {
    truncate(name!, numberOf(size))
    return undefined
  },
  /** access NAME R_OK|W_OK|X_OK, as the user of the step. */
  access(_, [name, mode]) {
    faccessat(AT_FDCWD, name!, flagsOf(mode), AT_EACCESS)
    return undefined
  },
  /** setxattr NAME ATTRIBUTE VALUE [XATTR_CREATE|XATTR_REPLACE] */
  setxattr(_, [name, attribute, value, flags]) {
    const bytes = bytesOf(value!)
    setxattr(name!, attribute!, bytes, bytes.length, flagsOf(flags, XATTR_FLAGS))
    return undefined
  },
  getxattr(_, [name, attribute, size = '64K']) {
    const bytes = Buffer.alloc(numberOf(size))
    const length = getxattr(name!, attribute!, bytes, bytes.length)
    return bytes.length === 0 ? String(length) : textOf(bytes.subarray(0, length))
  },
  /** listxattr NAME: sorted names. */
  listxattr(_, [name]) {
    const bytes = Buffer.alloc(65_536)
    const list = bytes.subarray(0, listxattr(name!, bytes, bytes.length)).toString()
    return list.split('\0').filter(Boolean).sort().join(' ') || '""'
  },
  /** setcap NAME: sets CAP_NET_RAW in the format of capabilities(7). */
  setcap(_, [name]) {
    const value = Buffer.alloc(20)
    value.writeUInt32LE(0x0200_0001, 0)
    value.writeUInt32LE(1 << 13, 4)
    setxattr(name!, 'security.capability', value, value.length, 0)
    return undefined
  },
  removexattr(_, [name, attribute]) {
    removexattr(name!, attribute!)
    return undefined
  },
  /** statfs NAME: whether the numbers of the file system are consistent. */
  statfs(_, [name]) {
    const { blocks, bfree, bavail } = statfsSync(name!)
    return blocks >= bfree && bfree >= bavail ? 'consistent' : 'inconsistent'
  },
}
