/**
 * Table of request handlers, exhaustive over `OpcodeName`. A rejection with ENOSYS makes the kernel
 * fall back for the life of the mount: to its own checks (`default_permissions`), to polling, and
 * to copying by read and write. A request that is newer than this table is rejected in the same
 * way.
 */
import {
  handleGetattr,
  handleGetxattr,
  handleListxattr,
  handleRemovexattr,
  handleSetattr,
  handleSetxattr,
} from './attribute-handlers.ts'
import { noReply, refuse, type Exchange, type Handler } from './exchange.ts'
import {
  handleFallocate,
  handleFlush,
  handleFsync,
  handleFsyncdir,
  handleLseek,
  handleOpen,
  handleOpendir,
  handleRead,
  handleReaddir,
  handleReaddirplus,
  handleRelease,
  handleReleasedir,
  handleStatfs,
  handleSyncfs,
  handleWrite,
} from './file-handlers.ts'
import {
  handleBatchForget,
  handleCreate,
  handleForget,
  handleLink,
  handleLookup,
  handleMkdir,
  handleMknod,
  handleReadlink,
  handleRename,
  handleRename2,
  handleRmdir,
  handleSymlink,
  handleUnlink,
} from './name-handlers.ts'
import {
  handleGetlk,
  handleSetlk,
  handleSetlkw,
  releaseRecordLocks,
  unlockAnyway,
} from './lock-handlers.ts'
import { OPCODE, type OpcodeName } from '../wire/opcode.ts'

const unsupported = refuse('ENOSYS')
const silent: Handler = () => noReply
const done: Handler = () => 0

const table: Record<OpcodeName, Handler> = {
  LOOKUP: handleLookup,
  FORGET: handleForget,
  BATCH_FORGET: handleBatchForget,
  GETATTR: handleGetattr,
  SETATTR: handleSetattr,
  READLINK: handleReadlink,
  SYMLINK: handleSymlink,
  MKNOD: handleMknod,
  MKDIR: handleMkdir,
  UNLINK: handleUnlink,
  RMDIR: handleRmdir,
  RENAME: handleRename,
  RENAME2: handleRename2,
  LINK: handleLink,
  OPEN: handleOpen,
  READ: handleRead,
  WRITE: handleWrite,
  STATFS: handleStatfs,
  RELEASE: handleRelease,
  FSYNC: handleFsync,
  SETXATTR: handleSetxattr,
  GETXATTR: handleGetxattr,
  LISTXATTR: handleListxattr,
  REMOVEXATTR: handleRemovexattr,
  FLUSH: handleFlush,
  // INIT is answered once, during the mount (fuse/wire/handshake.ts); a second one is a protocol
  // error.
  INIT: refuse('EIO'),
  OPENDIR: handleOpendir,
  READDIR: handleReaddir,
  READDIRPLUS: handleReaddirplus,
  RELEASEDIR: handleReleasedir,
  FSYNCDIR: handleFsyncdir,
  GETLK: handleGetlk,
  SETLK: handleSetlk,
  SETLKW: handleSetlkw,
  // `default_permissions`: the kernel checks.
  ACCESS: unsupported,
  CREATE: handleCreate,
  INTERRUPT: (x) => {
    x.interrupt(x.request.uniqueAt(0))
    return noReply
  },
  BMAP: unsupported,
  DESTROY: done,
  // ENOSYS reaches the program as ENOTTY.
  IOCTL: unsupported,
  POLL: unsupported,
  // The reply to NOTIFY_RETRIEVE, which is never sent; it expects no reply itself.
  NOTIFY_REPLY: silent,
  FALLOCATE: handleFallocate,
  LSEEK: handleLseek,
  // The kernel copies by read and write instead.
  COPY_FILE_RANGE: unsupported,
  COPY_FILE_RANGE_64: unsupported,
  // Direct access to the memory of the server is for virtual machines.
  SETUPMAPPING: unsupported,
  REMOVEMAPPING: unsupported,
  SYNCFS: handleSyncfs,
  // Reaches the program as EOPNOTSUPP; libraries then create a named file.
  TMPFILE: unsupported,
  // The kernel falls back to GETATTR.
  STATX: unsupported,
}

/** Handlers by opcode. */
export const handlers: readonly (Handler | undefined)[] = byOpcode()

/** Clean-up of abandoned requests by opcode: the process must leave no locks behind. */
export const cleanUps: Readonly<Record<number, (x: Exchange) => void>> = {
  [OPCODE.FLUSH]: releaseRecordLocks,
  [OPCODE.RELEASE]: (x) => x.fs.release(x.caller, x.request.nodeid, x.request.u64(0)),
  [OPCODE.SETLK]: unlockAnyway,
  [OPCODE.SETLKW]: unlockAnyway,
}

/** Handler of opcodes that are not in the table. */
export const unknownHandler: Handler = unsupported

function byOpcode(): (Handler | undefined)[] {
  const list = new Array<Handler | undefined>(64).fill(undefined)
  for (const name of Object.keys(table) as OpcodeName[]) list[OPCODE[name]] = table[name]
  return list
}
