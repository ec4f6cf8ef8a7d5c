/**
 * INIT, the first request of a mount: both sides say what they can do, and what is agreed holds
 * for the life of the mount. `Negotiated` is that agreement as plain data; it crosses threads.
 *
 * Chosen: 1 MiB requests, READDIRPLUS, parallel lookups, symlink targets in the page cache, and
 * explicit invalidation (changes made elsewhere are announced by notifications, so the kernel need
 * not guess from mtimes). Left out on purpose: the write-back cache (it would hide sizes from other
 * nodes and rules out passthrough), asynchronous direct I/O (the kernel then leaves pages in its
 * cache that such a write has replaced), POSIX ACLs, SETXATTR_EXT. File locks are asked for only
 * where others share the file system: the kernel's own are faster, but only of this mount.
 */
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { RequestReader } from './request-reader.ts'
import { INIT, INIT2 } from './wire-flags.ts'

const PROTOCOL_MAJOR = 7
/** Newest minor version that this server knows, and the oldest it accepts (Linux 5.4). */
const PROTOCOL_MINOR = 45
const OLDEST_MINOR = 31

const INIT_REPLY_BYTES = 64
const PAGE_BYTES = 4096
/** Pages of one request where the kernel cannot be told a number. */
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
 * Where others share the file system attributes that come with a listing are asked for again when
 * they are used: then it is left to the kernel which listing is to bring them.
 */
const SHARED = INIT.POSIX_LOCKS | INIT.FLOCK_LOCKS | INIT.READDIRPLUS_AUTO
const WANTED2 = INIT2.HAS_RESEND
/** Where nobody shares the file system mappings are one memory, also of files read directly. */
const ALONE2 = INIT2.DIRECT_IO_ALLOW_MMAP
/** Backing files may lie on file systems that are no stack of others themselves. */
const MAX_STACK_DEPTH = 1

/** What kernel and server agreed on. */
export interface Negotiated {
  /** Minor version that both speak. */
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

/** Whether files may be passed through, as far as the kernel is concerned. */
export function canPassThrough({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.PASSTHROUGH) !== 0
}

/** Whether a file that is read and written past the page cache can be mapped nevertheless. */
export function canMapDirect({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.DIRECT_IO_ALLOW_MMAP) !== 0
}

/** Whether a process can go on where another one has died. */
export function canResume({ flags2 }: Negotiated): boolean {
  return (flags2 & INIT2.HAS_RESEND) !== 0
}

export interface Wishes {
  /** The file system keeps the locks of fcntl(2) and flock(2), not the kernel for this mount. */
  remoteLocks?: boolean | undefined
  /** The file system may have the kernel read files by itself. */
  passthrough?: boolean | undefined
  /** Inodes are found by number for as long as they exist: file handles outlive the mount. */
  lastingInodes?: boolean | undefined
}

/**
 * Agrees with an INIT request and puts the answer into `reply`: payload bytes and the agreement, or
 * no agreement when the kernel is newer than major version 7 and has to ask again. A kernel that
 * is too old is an FsError.
 */
export function negotiate(
  request: RequestReader,
  reply: ReplyWriter,
  { remoteLocks = false, passthrough = false, lastingInodes = false }: Wishes = {},
): { payloadBytes: number; negotiated: Negotiated | undefined } {
  const major = request.u32(0)
  const kernelMinor = request.u32(4)
  if (major > PROTOCOL_MAJOR) {
    return { payloadBytes: putInit(reply, undefined), negotiated: undefined }
  }
  if (major < PROTOCOL_MAJOR || kernelMinor < OLDEST_MINOR) {
    throw new FsError(
      'EOPNOTSUPP',
      `the kernel speaks FUSE ${major}.${kernelMinor}; ` +
        `${PROTOCOL_MAJOR}.${OLDEST_MINOR} (Linux 5.4) or newer is needed`,
    )
  }
  const offered = request.u32(12)
  const wanted = lastingInodes ? WANTED | INIT.EXPORT_SUPPORT : WANTED
  const flags = offered & (remoteLocks ? wanted | SHARED : wanted)
  const sharing2 = remoteLocks ? WANTED2 : WANTED2 | ALONE2
  const wanted2 = passthrough ? sharing2 | INIT2.PASSTHROUGH : sharing2
  const pages = flags & INIT.MAX_PAGES ? limits.fuseRequestBytes / PAGE_BYTES : DEFAULT_MAX_PAGES
  const negotiated: Negotiated = {
    minor: Math.min(kernelMinor, PROTOCOL_MINOR),
    kernelMinor,
    flags,
    flags2: flags & INIT.INIT_EXT ? request.u32(16) & wanted2 : 0,
    maxWriteBytes: pages * PAGE_BYTES,
    maxReadaheadBytes: Math.min(request.u32(8), limits.fuseReadaheadBytes),
    maxBackground: limits.fuseMaxBackground,
    congestionThreshold: limits.fuseCongestionThreshold,
  }
  return { payloadBytes: putInit(reply, negotiated), negotiated }
}

/** `fuse_init_out`; without an agreement, only the version we would speak. */
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
