/** Operations on names: create, link, rename and remove them. */
import { readlinkSync, realpathSync } from 'node:fs'
import { numberOf } from '../bytes.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  close,
  linkat,
  mkdir,
  mknod,
  open,
  renameat2,
  rmdir,
  symlink,
  unlink,
} from '../system-calls.ts'
import { flagsOf, modeOf, type Operations } from './operation.ts'

const RENAME_FLAGS = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4, BOGUS: 1 << 20 }

export const names: Operations = {
  /** create NAME [MODE]: a new file, which must not exist. */
  create(_, [name, mode]) {
    const flags = flagsOf('O_CREAT|O_EXCL|O_WRONLY')
    close(open(name!, flags, modeOf(mode, 0o644)))
    return undefined
  },
  /** mkdir NAME [MODE] */
  mkdir(_, [name, mode]) {
    mkdir(name!, modeOf(mode, 0o755))
    return undefined
  },
  rmdir(_, [name]) {
    rmdir(name!)
    return undefined
  },
  unlink(_, [name]) {
    unlink(name!)
    return undefined
  },
  /** mknod NAME S_IFIFO|S_IFCHR|S_IFBLK|S_IFSOCK|S_IFREG [MODE] [MAJOR:MINOR] */
  mknod(_, [name, type, mode, device = '0:0']) {
    const [major = 0, minor = 0] = device.split(':').map(Number)
    const number = (BigInt(major) << 8n) | BigInt(minor & 0xff) | (BigInt(minor & ~0xff) << 12n)
    mknod(name!, flagsOf(type) | modeOf(mode, 0o644), number)
    return undefined
  },
  /** symlink TARGET NAME */
  symlink(_, [target, name]) {
    symlink(target === '""' ? '' : target!, name!)
    return undefined
  },
  readlink(_, [name]) {
    return readlinkSync(name!)
  },
  /** resolve NAME: the resolved path, relative to the directory of the case. */
  resolve(_, [name]) {
    return realpathSync.native(name!).slice(realpathSync.native('.').length + 1)
  },
  /** link NAME NEW */
  link(_, [name, made]) {
    linkat(AT_FDCWD, name!, AT_FDCWD, made!, 0)
    return undefined
  },
  /** As link, following a symbolic link. */
  linkFollowing(_, [name, made]) {
    linkat(AT_FDCWD, name!, AT_FDCWD, made!, AT_SYMLINK_FOLLOW)
    return undefined
  },
  /** linkOpen FILE NEW: gives an open file a name. */
  linkOpen(process, [file, made]) {
    linkat(process.file(file), '', AT_FDCWD, made!, AT_EMPTY_PATH)
    return undefined
  },
  /** rename NAME NEW [NOREPLACE|EXCHANGE|WHITEOUT] */
  rename(_, [name, made, flags]) {
    renameat2(AT_FDCWD, name!, AT_FDCWD, made!, flagsOf(flags, RENAME_FLAGS))
    return undefined
  },
  /** fill DIRECTORY COUNT [PREFIX]: creates COUNT new files. */
  fill(_, [directory, count, prefix = 'f']) {
    const flags = flagsOf('O_CREAT|O_EXCL|O_WRONLY')
    for (let at = 0; at < numberOf(count); at++) {
      close(open(`${directory}/${prefix}${at}`, flags, 0o644))
    }
    return undefined
  },
}
