/**
 * Converts the volume's inode attributes to the results of the path interface.
 */
import type { DirectoryEntry, FileStat } from '../../filesystem/file-store.ts'
import type { Attributes } from '../../filesystem/inode-file-system.ts'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../metadata/inode-rules.ts'

export function kindOf(mode: number): Omit<DirectoryEntry, 'name'> {
  const type = mode & S_IFMT
  return {
    isFile: () => type === S_IFREG,
    isDirectory: () => type === S_IFDIR,
    isSymbolicLink: () => type === S_IFLNK,
  }
}

export function statOf(a: Attributes): FileStat {
  const version = [a.ino, a.size, a.ctimeSec, a.ctimeNsec].map((part) => part.toString(36))
  return {
    ino: a.ino,
    mode: a.mode,
    nlink: a.nlink,
    uid: a.uid,
    gid: a.gid,
    size: a.size,
    blocks: a.blocks,
    atimeMs: a.atimeSec * 1000 + a.atimeNsec / 1e6,
    mtimeMs: a.mtimeSec * 1000 + a.mtimeNsec / 1e6,
    ctimeMs: a.ctimeSec * 1000 + a.ctimeNsec / 1e6,
    etag: version.join('-'),
    ...kindOf(a.mode),
  }
}
