/**
 * Handlers of requests for attributes (stat, chmod, truncate, utimes) and extended attributes. The
 * kernel has checked permissions. With FUSE_HANDLE_KILLPRIV_V2 it leaves clearing the set-id bits
 * to the file system: a change of size requests it explicitly (`killSetId`), a chown always implies
 * it.
 */
import { ownCopy } from '../../base/borrowed-bytes.ts'
import { FsError } from '../../base/fs-error.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import type { AttributeChange } from '../../filesystem/inode-file-system.ts'
import type { Exchange } from './exchange.ts'
import type { RequestReader } from '../wire/request-reader.ts'
import { FATTR, GETATTR_FH } from '../wire/wire-flags.ts'

export function handleGetattr(x: Exchange): number {
  const { request } = x
  const handle = (request.u32(0) & GETATTR_FH) !== 0 ? request.u64(8) : undefined
  const attributes = x.fs.getattr(x.caller, request.nodeid, handle)
  return x.reply.putAttributes(attributes, x.attributesValidity)
}

export function handleSetattr(x: Exchange): number {
  const { request } = x
  const handle = (request.u32(0) & FATTR.FH) !== 0 ? request.u64(8) : undefined
  const changed = x.fs.setattr(x.caller, request.nodeid, changeOf(request), handle)
  return x.reply.putAttributes(changed, x.attributesValidity)
}

/** `fuse_setattr_in`: the fields that its mask selects. */
function changeOf(request: RequestReader): AttributeChange {
  const valid = request.u32(0)
  const change: AttributeChange = {}
  if (valid & FATTR.MODE) change.mode = request.u32(68)
  if (valid & FATTR.UID) change.uid = request.u32(76)
  if (valid & FATTR.GID) change.gid = request.u32(80)
  if (valid & FATTR.SIZE) change.size = request.u64(16)
  if (valid & FATTR.ATIME_NOW) change.atime = 'now'
  else if (valid & FATTR.ATIME) change.atime = timeAt(request, 32, 56)
  if (valid & FATTR.MTIME_NOW) change.mtime = 'now'
  else if (valid & FATTR.MTIME) change.mtime = timeAt(request, 40, 60)
  if (valid & FATTR.CTIME) change.ctime = timeAt(request, 48, 64)
  if (valid & FATTR.KILL_SUIDGID) change.killSetId = true
  return change
}

function timeAt(request: RequestReader, secAt: number, nsecAt: number) {
  return { sec: request.i64(secAt), nsec: request.u32(nsecAt) }
}

export function handleSetxattr(x: Exchange): number {
  const { request } = x
  const sizeBytes = request.u32(0)
  if (sizeBytes > metadataLimits.xattrValueBytes) {
    throw new FsError('E2BIG', `an extended attribute of ${sizeBytes} bytes is too large`)
  }
  const name = request.name(8)
  const value = ownCopy(request.data(8 + name.length + 1, sizeBytes))
  x.fs.setxattr(x.caller, request.nodeid, name, value, request.u32(4))
  return 0
}

export function handleGetxattr(x: Exchange): number {
  const value = x.fs.getxattr(x.caller, x.request.nodeid, x.request.name(8))
  return putSized(x, value)
}

export function handleListxattr(x: Exchange): number {
  return putSized(x, x.fs.listxattr(x.caller, x.request.nodeid))
}

/** The kernel first asks for the size (`wanted` is 0), then for at most that many bytes. */
function putSized(x: Exchange, value: Uint8Array): number {
  const wanted = x.request.u32(0)
  if (wanted === 0) return x.reply.putU32(value.length)
  if (value.length > wanted) {
    throw new FsError('ERANGE', `${value.length} bytes do not fit into ${wanted}`)
  }
  return x.reply.putData(value)
}

export function handleRemovexattr(x: Exchange): number {
  x.fs.removexattr(x.caller, x.request.nodeid, x.request.name(0))
  return 0
}
