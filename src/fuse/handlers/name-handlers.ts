/**
 * Handlers of requests on names: lookup, create, link, rename, remove and readlink. Each decodes
 * its body (offsets as in include/uapi/linux/fuse.h) and calls the file system. The kernel has
 * applied the umask, because FUSE_DONT_MASK is not negotiated.
 */
import { FsError } from '../../base/fs-error.ts'
import type { Forgotten } from '../../filesystem/inode-file-system.ts'
import { noReply, type Exchange } from './exchange.ts'
import { ENTRY_BYTES } from '../wire/reply-writer.ts'
import { REQUEST_HEADER_BYTES } from '../wire/request-reader.ts'

export function handleLookup(x: Exchange): number {
  try {
    const found = x.fs.lookup(x.caller, x.request.nodeid, x.request.name(0))
    return x.reply.putEntry(found, x.entryValidity, x.attributesValidity)
  } catch (error) {
    const absent = error instanceof FsError && error.code === 'ENOENT'
    if (!absent || x.negativeValidity === undefined) throw error
    return x.reply.putNegativeEntry(x.negativeValidity)
  }
}

/** Expects no reply. A file system whose inode numbers are permanent does not implement it. */
export function handleForget({ fs, request }: Exchange): number {
  fs.forget?.([[request.nodeid, request.u64(0)]])
  return noReply
}

export function handleBatchForget({ fs, request }: Exchange): number {
  if (fs.forget === undefined) return noReply
  const end = request.end - REQUEST_HEADER_BYTES
  const forgotten: Forgotten[] = []
  for (let at = 8; at + 16 <= end && forgotten.length < request.u32(0); at += 16) {
    forgotten.push([request.u64(at), request.u64(at + 8)])
  }
  fs.forget(forgotten)
  return noReply
}

export function handleMknod(x: Exchange): number {
  const { request } = x
  const name = request.name(16)
  const made = x.fs.mknod(x.caller, request.nodeid, name, request.u32(0), request.u32(4))
  return x.reply.putEntry(made, x.entryValidity, x.attributesValidity)
}

export function handleMkdir(x: Exchange): number {
  const { request } = x
  const made = x.fs.mkdir(x.caller, request.nodeid, request.name(8), request.u32(0))
  return x.reply.putEntry(made, x.entryValidity, x.attributesValidity)
}

export function handleSymlink(x: Exchange): number {
  const { request } = x
  const name = request.name(0)
  const target = request.text(name.length + 1)
  const made = x.fs.symlink(x.caller, request.nodeid, name, target)
  return x.reply.putEntry(made, x.entryValidity, x.attributesValidity)
}

export function handleLink(x: Exchange): number {
  const { request } = x
  const linked = x.fs.link(x.caller, request.u64(0), request.nodeid, request.name(8))
  return x.reply.putEntry(linked, x.entryValidity, x.attributesValidity)
}

export function handleUnlink(x: Exchange): number {
  x.fs.unlink(x.caller, x.request.nodeid, x.request.name(0))
  return 0
}

export function handleRmdir(x: Exchange): number {
  x.fs.rmdir(x.caller, x.request.nodeid, x.request.name(0))
  return 0
}

export function handleRename(x: Exchange): number {
  return rename(x, 8, 0)
}

export function handleRename2(x: Exchange): number {
  return rename(x, 16, x.request.u32(8))
}

function rename(x: Exchange, namesAt: number, flags: number): number {
  const { request } = x
  const name = request.name(namesAt)
  const newName = request.name(namesAt + name.length + 1)
  x.fs.rename(x.caller, request.nodeid, name, request.u64(0), newName, flags)
  return 0
}

export function handleReadlink(x: Exchange): number {
  return x.reply.putData(x.fs.readlink(x.caller, x.request.nodeid))
}

export function handleCreate(x: Exchange): number {
  const { request, reply } = x
  const name = request.name(16)
  const flags = request.u32(0)
  const made = x.fs.create(x.caller, request.nodeid, name, request.u32(4), flags)
  reply.putEntry(made.attributes, x.entryValidity, x.attributesValidity)
  return reply.putOpened(ENTRY_BYTES, made.opened)
}
