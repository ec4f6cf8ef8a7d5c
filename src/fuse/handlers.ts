/**
 * The one table of what happens with each request: its handler, or a deliberate refusal. It is
 * exhaustive over `OpcodeName`. Refusing with ENOSYS tells the kernel never to ask again and to
 * fall back: to its own checks (`default_permissions`), polling, and copying by read and write. A
 * request that is newer than this table is refused in the same way.
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
import { OPCODE, type OpcodeName } from './opcode.ts'

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
  // Answered while mounting, once (handshake.ts); a second one is a confused kernel.
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
  // Answers a NOTIFY_RETRIEVE, which is never sent, and takes no answer itself.
  NOTIFY_REPLY: silent,
  FALLOCATE: handleFallocate,
  LSEEK: handleLseek,
  // The kernel copies by reading and writing instead.
  COPY_FILE_RANGE: unsupported,
  COPY_FILE_RANGE_64: unsupported,
  // Direct access to the server's memory is for virtual machines.
  SETUPMAPPING: unsupported,
  REMOVEMAPPING: unsupported,
  SYNCFS: handleSyncfs,
  // Reaches the program as EOPNOTSUPP, and libraries then make a named file.
  TMPFILE: unsupported,
  // The kernel falls back to GETATTR.
  STATX: unsupported,
}

/** Handlers by opcode. */
export const handlers: readonly (Handler | undefined)[] = byOpcode()

/** What is done with a request that was given up, by opcode: its process must not leave locks. */
export const cleanUps: Readonly<Record<number, (x: Exchange) => void>> = {
  [OPCODE.FLUSH]: releaseRecordLocks,
  [OPCODE.RELEASE]: (x) => x.fs.release(x.caller, x.request.nodeid, x.request.u64(0)),
  [OPCODE.SETLK]: unlockAnyway,
  [OPCODE.SETLKW]: unlockAnyway,
}

/** What is done with an opcode that is not in the table. */
export const unknownHandler: Handler = unsupported

function byOpcode(): (Handler | undefined)[] {
  const list = new Array<Handler | undefined>(64).fill(undefined)
  for (const name of Object.keys(table) as OpcodeName[]) list[OPCODE[name]] = table[name]
  return list
}
