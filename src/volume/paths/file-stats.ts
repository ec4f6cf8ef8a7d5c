/** Converts the attributes of an inode to the results of the path interface. */
import type { Attributes } from '../../filesystem/inode-file-system.ts'
import { Stats, kindOf } from '../../filesystem/stats.ts'

export function statsOf(a: Attributes): Stats {
  const version = [a.ino, a.size, a.ctimeSec, a.ctimeNsec].map((part) => part.toString(36))
  return new Stats({
    kind: kindOf(a.mode),
    ino: a.ino,
    mode: a.mode,
    nlink: a.nlink,
    uid: a.uid,
    gid: a.gid,
    size: a.size,
    atimeMs: a.atimeSec * 1000 + a.atimeNsec / 1e6,
    mtimeMs: a.mtimeSec * 1000 + a.mtimeNsec / 1e6,
    ctimeMs: a.ctimeSec * 1000 + a.ctimeNsec / 1e6,
    etag: version.join('-'),
  })
}
