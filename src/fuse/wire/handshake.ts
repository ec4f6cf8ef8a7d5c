/**
 * INIT, the first request of a mount: kernel and server agree on features for the life of the
 * mount. `Negotiated` is the agreement as plain data, which crosses threads.
 *
 * Enabled: 1 MiB requests, READDIRPLUS, parallel lookups, symlink targets in the page cache, and
 * explicit invalidation (remote changes are announced by notifications, so the kernel need not
 * infer them from mtimes). Disabled on purpose: the write-back cache (it would hide sizes from
 * other nodes and excludes passthrough), asynchronous direct I/O (the kernel then keeps pages that
 * such a write has replaced), POSIX ACLs, SETXATTR_EXT. File locks are requested only if other
 * nodes share the file system: the kernel's own are faster, but local to the mount.
 */
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { fuseLimits } from '../limits.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { RequestReader } from './request-reader.ts'
import { INIT, INIT2 } from './wire-flags.ts'

const PROTOCOL_MAJOR = 7
/** Newest minor version that this server supports, and the oldest that it accepts (Linux 5.4). */
const PROTOCOL_MINOR = 45
const OLDEST_MINOR = 31

const INIT_REPLY_BYTES = 64
const PAGE_BYTES = 4096
/** Pages per request if the protocol cannot negotiate a number. */
const DEFAULT_MAX_PAGES = 32

const WANTED =
  INIT.ASYNC_READ |
  INIT.ATOMIC_O_TRUNC |
  INIT.BIG_WRITES |
  INIT.DO_READDIRPLUS |
  INIT.PARALLEL_DIROPS |
  INIT.MAX_PAGES |
  INIT.CACHE_SYMLINKS |
  INIT.EXPLICIT_INVAL_DATA |
  INIT.HANDLE_KILLPRIV_V2 |
  INIT.INIT_EXT
/**
 * Additional flags of a shared file system. Attributes from a listing are revalidated when they are
 * used, so the kernel may choose which listings include them.
 */
const SHARED = INIT.POSIX_LOCKS | INIT.FLOCK_LOCKS | INIT.READDIRPLUS_AUTO
const WANTED2 = INIT2.HAS_RESEND
/** Flags of an unshared file system: mappings are coherent, also of files with direct I/O. */
const ALONE2 = INIT2.DIRECT_IO_ALLOW_MMAP
/** Backing files must not be on a stacked file system themselves. */
const MAX_STACK_DEPTH = 1

/** Agreement between kernel and server. */
export interface Negotiated {
  /** Minor version that both support. */
  readonly minor: number
  readonly kernelMinor: number
  /** Agreed bits of `INIT`. */
  readonly flags: number
  /** Agreed bits of `INIT2`. */
  readonly flags2: number
  readonly maxWriteBytes: number
  readonly maxReadaheadBytes: number
  readonly maxBackground: number
  readonly congestionThreshold: number
}

/** Whether the kernel supports passthrough. */
export function canPassThrough({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.PASSTHROUGH) !== 0
}

/** Whether a file opened with direct I/O can be mapped. */
export function canMapDirect({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.DIRECT_IO_ALLOW_MMAP) !== 0
}

/** Whether another process can resume the mount after this one has died. */
export function canResume({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.HAS_RESEND) !== 0
}

export interface Wishes {
  /**
   * The file system handles locks of fcntl(2) and flock(2); else the kernel does, for this mount.
   */
  remoteLocks?: boolean | undefined
  /** The file system may use passthrough. */
  passthrough?: boolean | undefined
  /** Inodes are found by number as long as they exist: file handles outlive the mount. */
  persistentInodes?: boolean | undefined
}

/**
 * Answers an INIT request: writes the reply into `reply` and returns its size and the agreement.
 * There is no agreement if the kernel's major version is above 7; it then sends INIT again. Throws
 * EOPNOTSUPP if the kernel is too old.
 */
export function negotiate(
  request: RequestReader,
  reply: ReplyWriter,
  { remoteLocks = false, passthrough = false, persistentInodes = false }: Wishes = {},
): { payloadBytes: number; negotiated: Negotiated | undefined } {
  const major = request.u32(0)
  const kernelMinor = request.u32(4)
  if (major > PROTOCOL_MAJOR) {
    return { payloadBytes: putInit(reply, undefined), negotiated: undefined }
  }
  if (major < PROTOCOL_MAJOR || kernelMinor < OLDEST_MINOR) {
    throw new FsError(
      'EOPNOTSUPP',
      `the kernel supports FUSE ${major}.${kernelMinor}; ` +
        `${PROTOCOL_MAJOR}.${OLDEST_MINOR} (Linux 5.4) or newer is required`,
    )
  }
  const offered = request.u32(12)
  const wanted = persistentInodes ? WANTED | INIT.EXPORT_SUPPORT : WANTED
  const flags = offered & (remoteLocks ? wanted | SHARED : wanted)
  const sharing2 = remoteLocks ? WANTED2 : WANTED2 | ALONE2
  const wanted2 = passthrough ? sharing2 | INIT2.PASSTHROUGH : sharing2
  const pages =
    flags & INIT.MAX_PAGES ? baseLimits.fuseRequestBytes / PAGE_BYTES : DEFAULT_MAX_PAGES
  const negotiated: Negotiated = {
    minor: Math.min(kernelMinor, PROTOCOL_MINOR),
    kernelMinor,
    flags,
    flags2: flags & INIT.INIT_EXT ? request.u32(16) & wanted2 : 0,
    maxWriteBytes: pages * PAGE_BYTES,
    maxReadaheadBytes: Math.min(request.u32(8), fuseLimits.fuseReadaheadBytes),
    maxBackground: fuseLimits.fuseMaxBackground,
    congestionThreshold: fuseLimits.fuseCongestionThreshold,
  }
  return { payloadBytes: putInit(reply, negotiated), negotiated }
}

/** `fuse_init_out`; without an agreement, only the version of this server. */
function putInit(reply: ReplyWriter, agreed: Negotiated | undefined): number {
  reply.zero(0, INIT_REPLY_BYTES)
  reply.u32(0, PROTOCOL_MAJOR)
  reply.u32(4, PROTOCOL_MINOR)
  if (agreed === undefined) return INIT_REPLY_BYTES
  reply.u32(8, agreed.maxReadaheadBytes)
  reply.u32(12, agreed.flags)
  reply.u16(16, agreed.maxBackground)
  reply.u16(18, agreed.congestionThreshold)
  reply.u32(20, agreed.maxWriteBytes)
  reply.u32(24, 1) // time_gran: nanoseconds
  reply.u16(28, agreed.maxWriteBytes / PAGE_BYTES)
  reply.u32(32, agreed.flags2)
  if (canPassThrough(agreed)) reply.u32(36, MAX_STACK_DEPTH)
  return INIT_REPLY_BYTES
}
