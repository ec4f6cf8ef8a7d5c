/**
 * Makes a file system of paths mountable as one of inodes. Every request is asynchronous: a worker
 * thread throws `NotStarted` with a description of the request, the main thread executes it
 * (`InodeOperations`) and runs the operation again, which then takes the answer. So each thread has
 * an adapter, and only that of the main thread has a table of inodes.
 *
 * Invariants: a request is executed once, however often the operation runs. An inode is entered in
 * the table in the same turn in which the reply that names it is written, so no FORGET comes
 * between. A rejection that needs no answer of the file system happens in the worker.
 */
import { lend, ownCopy, type BorrowedBytes } from '../../base/borrowed-bytes.ts'
import { CurrentRequest } from '../../base/current-request.ts'
import { NotStarted, ResultOf, type WaitResult } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { filesystemLimits } from '../limits.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  DirectorySink,
  FileSystemStatistics,
  Forgotten,
  InodeFileSystem,
  Opened,
  WriteMode,
} from '../inode-file-system.ts'
import type { Stats } from '../stats.ts'
import { attributesOf } from './inode-attributes.ts'
import type { InodeAnswers, InodeWaitCondition, ListedName } from './inode-wait-condition.ts'
import type { InodeTable } from './inode-table.ts'

/** The answer of the main thread; the subject is the name of the request. */
export const ANSWER = new ResultOf<unknown>('answer')
/** Extended attribute with the cache status of a path, as JSON. */
const STATUS_NAME = 'user.cachefs.status'

const RENAME_NOREPLACE = 1
const TYPE_MASK = 0o170000
const REGULAR = 0o100000
const TYPES = { file: REGULAR, directory: 0o040000, symlink: 0o120000, other: REGULAR }
/** Inode number of listed entries that the kernel has not looked up. */
const UNKNOWN_INODE = 0xffffffff

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

export interface InodeAdapterParts {
  /** Undefined in a worker. */
  table?: InodeTable
  /** Sends FORGETs to the main thread; false if that is not possible now. */
  hint?: (message: readonly Forgotten[]) => boolean
}

export class InodeAdapter implements InodeFileSystem {
  readonly #parts: InodeAdapterParts
  readonly #request = new CurrentRequest()
  #forgotten: Forgotten[] = []

  constructor(parts: InodeAdapterParts) {
    this.#parts = parts
  }

  serving(
    unique: number,
    isResent: boolean,
    _thread: number,
    results?: readonly WaitResult[],
  ): void {
    this.#request.begin(unique, isResent, results)
  }

  lookup(_: Caller, parent: number, name: Uint8Array): Attributes {
    const text = textOf(name)
    return this.#entered(parent, text, this.#ask({ op: 'lookup', parent, name: text }))
  }

  getattr(_: Caller, ino: number, handle?: number): Attributes {
    return attributesOf(ino, this.#ask({ op: 'getattr', ino, handle }))
  }

  setattr(_: Caller, ino: number, change: AttributeChange, handle?: number): Attributes {
    checkSize(change.size ?? 0)
    return attributesOf(ino, this.#ask({ op: 'setattr', ino, change, handle }))
  }

  readlink(_: Caller, ino: number): Uint8Array {
    return encoder.encode(this.#ask({ op: 'readlink', ino }))
  }

  /** Pipes, sockets and devices cannot be stored at a remote. */
  mknod({ uid, gid }: Caller, parent: number, name: Uint8Array, mode: number): Attributes {
    const type = mode & TYPE_MASK
    if (type !== REGULAR && type !== 0) {
      throw new FsError('EPERM', 'this file system has files, directories and symbolic links')
    }
    const text = textOf(name)
    return this.#entered(
      parent,
      text,
      this.#ask({ op: 'mknod', parent, name: text, mode, uid, gid }),
    )
  }

  mkdir({ uid, gid }: Caller, parent: number, name: Uint8Array, mode: number): Attributes {
    const text = textOf(name)
    const stats = this.#ask({ op: 'mkdir', parent, name: text, mode, uid, gid })
    return this.#entered(parent, text, stats)
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array): Attributes {
    const { uid, gid } = caller
    const place = { parent, name: textOf(name), mode: 0o777, uid, gid }
    const stats = this.#ask({ op: 'symlink', ...place, target: textOf(target) })
    return this.#entered(parent, place.name, stats)
  }

  /** Files have one name: object stores have no hard links. link(2) specifies EPERM. */
  link(): Attributes {
    throw new FsError('EPERM', 'this file system has no hard links')
  }

  unlink(_: Caller, parent: number, name: Uint8Array): void {
    this.#ask({ op: 'unlink', parent, name: textOf(name) })
  }

  rmdir(_: Caller, parent: number, name: Uint8Array): void {
    this.#ask({ op: 'rmdir', parent, name: textOf(name) })
  }

  rename(
    _: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): void {
    if ((flags & ~RENAME_NOREPLACE) !== 0) {
      throw new FsError('EINVAL', 'two names cannot be exchanged in one step here')
    }
    const from = { parent, name: textOf(name) }
    const to = { parent: newParent, name: textOf(newName) }
    this.#ask({ op: 'rename', from, to, isNew: flags === RENAME_NOREPLACE })
  }

  open(_: Caller, ino: number, flags: number, killSetId: boolean): Opened {
    return this.#ask({ op: 'open', ino, flags, killSetId })
  }

  create(
    { uid, gid }: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    flags: number,
  ): { attributes: Attributes; opened: Opened } {
    const place = { parent, name: textOf(name), mode, uid, gid }
    const [stats, opened] = this.#ask({ op: 'create', ...place, flags })
    return { attributes: this.#entered(parent, place.name, stats), opened }
  }

  read(_: Caller, ino: number, handle: number, offset: number, target: BorrowedBytes): number {
    const sizeBytes = target.length
    const bytes = this.#ask({ op: 'read', ino, handle, offset, sizeBytes })
    return lend(target, (view) => {
      view.set(bytes)
      return bytes.length
    })
  }

  write(
    _: Caller,
    ino: number,
    handle: number,
    offset: number,
    source: BorrowedBytes,
    how: WriteMode,
  ): number {
    // The request goes to the main thread unchanged, where its bytes are copied once.
    if (this.#parts.table === undefined)
      throw new NotStarted({ op: 'here' } satisfies InodeWaitCondition)
    const answer = this.#request.take(ANSWER, 'write')
    if (answer !== undefined) return answer.value as InodeAnswers['write']
    const condition = { op: 'write', ino, handle, offset, source: ownCopy(source), how } as const
    throw new NotStarted(condition satisfies InodeWaitCondition)
  }

  /** Written data is sent to the remote when the file is released, right after its last close. */
  flush(): void {
    return undefined
  }

  release(_: Caller, ino: number, handle: number): void {
    this.#ask({ op: 'release', ino, handle })
  }

  fsync(_: Caller, ino: number, handle: number): void {
    this.#ask({ op: 'fsync', ino, handle })
  }

  fallocate(
    { uid }: Caller,
    ino: number,
    handle: number,
    offset: number,
    length: number,
    mode: number,
  ): void {
    if (mode !== 0) throw new FsError('EOPNOTSUPP', 'files here only grow')
    checkSize(offset + length)
    // The kernel does not pass whether the caller has CAP_FSETID: root has.
    const how = { sizeBytes: offset + length, killSetId: uid !== 0 }
    this.#ask({ op: 'extend', ino, handle, ...how })
  }

  /** The kernel then treats a file as one piece of data. */
  lseek(): number {
    throw new FsError('ENOSYS', 'holes are not kept')
  }

  opendir(_: Caller, ino: number): Opened {
    return this.#ask({ op: 'opendir', ino })
  }

  readdir(_: Caller, ino: number, handle: number, offset: number, sink: DirectorySink): void {
    const { plus } = sink
    const page = this.#ask({ op: 'readdir', ino, handle, offset, plus })
    if (offset < 1 && !sink.add(encoder.encode('.'), ino, TYPES.directory, 1)) return
    const parent = this.#parts.table?.get(ino).parent?.ino ?? ino
    if (offset < 2 && !sink.add(encoder.encode('..'), parent, TYPES.directory, 2)) return
    let next = page.first + 3
    for (const entry of page.names) if (!this.#list(ino, entry, next++, sink)) return
  }

  releasedir(_: Caller, ino: number, handle: number): void {
    this.#ask({ op: 'release', ino, handle })
  }

  fsyncdir(): void {
    return undefined
  }

  statfs(): FileSystemStatistics {
    return this.#ask({ op: 'statfs' })
  }

  setxattr(): void {
    throw new FsError('EOPNOTSUPP', 'extended attributes are not kept')
  }

  getxattr(_: Caller, ino: number, name: Uint8Array): Uint8Array {
    if (Buffer.from(name).toString() !== STATUS_NAME) {
      throw new FsError('ENODATA', 'extended attributes are not kept')
    }
    return encoder.encode(JSON.stringify(this.#ask({ op: 'status', ino })))
  }

  listxattr(): Uint8Array {
    return new Uint8Array(0)
  }

  removexattr(): void {
    throw new FsError('ENODATA', 'extended attributes are not kept')
  }

  forget(forgotten: readonly Forgotten[]): void {
    const { table, hint } = this.#parts
    if (table !== undefined) for (const [ino, count] of forgotten) table.forget(ino, count)
    if (hint === undefined) return
    // What the main thread cannot take now is sent with the next FORGET.
    this.#forgotten.push(...forgotten)
    if (hint(this.#forgotten)) this.#forgotten = []
  }

  #list(parent: number, entry: ListedName, next: number, sink: DirectorySink): boolean {
    const { table } = this.#parts
    const name = encoder.encode(entry.name)
    const { stats } = entry
    if (!sink.plus || stats === undefined || table === undefined) {
      const ino = table?.find(parent, entry.name)?.ino ?? UNKNOWN_INODE
      return sink.add(name, ino, TYPES[entry.kind], next)
    }
    const inode = table.enter(parent, entry.name, stats.kind)
    const attributes = attributesOf(inode.ino, stats)
    const hasRoom = sink.add(name, inode.ino, attributes.mode & TYPE_MASK, next, attributes)
    if (hasRoom) inode.lookups++
    else table.release(inode)
    return hasRoom
  }

  /** The reply names the inode, so the kernel holds one more reference. */
  #entered(parent: number, name: string, stats: Stats): Attributes {
    const { table } = this.#parts
    if (table === undefined) throw new FsError('EIO', 'a worker has no inodes')
    const inode = table.enter(parent, name, stats.kind)
    inode.lookups++
    return attributesOf(inode.ino, stats)
  }

  #ask<Op extends InodeWaitCondition['op']>(
    condition: InodeWaitCondition & { op: Op },
  ): InodeAnswers[Op] {
    const answer = this.#request.take(ANSWER, condition.op)
    if (answer === undefined) throw new NotStarted(condition)
    return answer.value as InodeAnswers[Op]
  }
}

function checkSize(sizeBytes: number): void {
  if (sizeBytes > filesystemLimits.fileBytes)
    throw new FsError('EFBIG', 'the file would be too large')
}

/** Names are text in this file system. */
function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new FsError('EINVAL', 'a name has to be UTF-8 here', { cause })
  }
}

/** Entry point for the workers of the mount. */
export function openFileSystem(
  _: unknown,
  { hint }: { hint: (message: unknown) => boolean },
): InodeAdapter {
  return new InodeAdapter({ hint })
}
