/**
 * Executes requests of the kernel on an asynchronous file system of paths. Runs on the main thread,
 * once per request; `InodeAdapter` puts its answers into the replies.
 *
 * Invariants: the table of inodes follows each change of names in the same turn in which the file
 * system completes it. A handle that is not delivered is closed again. A second release has no
 * effect.
 */
import { FsError, codeOf } from '../../base/fs-error.ts'
import { O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC } from '../../base/open-bits.ts'
import { filesystemLimits } from '../limits.ts'
import { failureOf } from '../failure.ts'
import type { FileHandle } from '../file-handle.ts'
import { childOf } from '../file-path.ts'
import type { AttributeChanges, CallOptions, FileSystem } from '../file-system.ts'
import type { FileSystemStatistics, Opened } from '../inode-file-system.ts'
import { Stats } from '../stats.ts'
import { changesOf, wantedOf, withoutSetId } from './inode-attributes.ts'
import type { DirectoryPage, InodeWaitCondition, OpenPlace } from './inode-wait-condition.ts'
import type { InodeTable } from './inode-table.ts'
import { OpenHandles } from './open-handles.ts'

export interface InodeOperationsParts {
  files: FileSystem
  table: InodeTable
  statistics: () => Promise<FileSystemStatistics>
  /** Bytes that can be made available at most, by evicting what can be fetched again. */
  room: () => Promise<number>
  /** Cache status of a path as plain data. */
  status: (path: string) => unknown
}

type WaitCondition<Op extends InodeWaitCondition['op']> = InodeWaitCondition & { op: Op }

export class InodeOperations {
  readonly #parts: InodeOperationsParts
  readonly #handles: OpenHandles

  constructor(parts: InodeOperationsParts) {
    this.#parts = parts
    this.#handles = new OpenHandles(parts.table)
  }

  /** Closes open files after the mount has ended. */
  async close(): Promise<void> {
    await this.#handles.close()
  }

  /** The answer; an FsError if the request fails. */
  async run(condition: InodeWaitCondition, options: CallOptions): Promise<unknown> {
    try {
      return await this.#run(condition, options)
    } catch (error) {
      throw error instanceof FsError ? error : failureOf(error, condition.op, '')
    }
  }

  #run(condition: InodeWaitCondition, options: CallOptions): Promise<unknown> {
    switch (condition.op) {
      case 'here':
        return Promise.resolve()
      case 'lookup':
        return this.#lookup(condition, options)
      case 'getattr':
        return this.#stat(condition.ino, condition.handle, options)
      case 'setattr':
        return this.#setattr(condition, options)
      case 'readlink':
        return this.#parts.files.readlink(this.#parts.table.path(condition.ino), options)
      case 'mkdir':
        return this.#mkdir(condition, options)
      case 'symlink':
        return this.#symlink(condition, options)
      case 'mknod':
        return this.#mknod(condition, options)
      case 'create':
        return this.#create(condition, options)
      case 'unlink':
      case 'rmdir':
        return this.#remove(condition, options)
      case 'rename':
        return this.#rename(condition, options)
      case 'open':
        return this.#open(condition, options)
      case 'read':
        return this.#read(condition, options)
      case 'write':
        return this.#write(condition, options)
      case 'release':
        return this.#release(condition)
      case 'fsync':
        return this.#handles.file(condition.handle).sync(options)
      case 'extend':
        return this.#extend(condition, options)
      case 'opendir':
        return this.#opendir(condition.ino)
      case 'readdir':
        return this.#readdir(condition, options)
      case 'statfs':
        return this.#parts.statistics()
      case 'status':
        return Promise.resolve(this.#parts.status(this.#parts.table.path(condition.ino)))
    }
  }

  async #lookup({ parent, name }: WaitCondition<'lookup'>, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    try {
      return await files.lstat(table.pathIn(parent, name), options)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') table.remove(parent, name)
      throw error
    }
  }

  /** An unlinked file is found only through its handles. */
  async #stat(ino: number, handle: number | undefined, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    const inode = table.get(ino)
    const given = handle === undefined ? undefined : this.#handles.get(handle).file
    const file = given ?? (inode.isGone ? this.#handles.fileOf(inode) : undefined)
    if (file !== undefined) return await file.stat(options)
    if (inode.last !== undefined) return inode.last
    const stats = await files.lstat(table.path(ino), options)
    if (stats.kind === inode.kind) return stats
    throw new FsError('ESTALE', `inode ${ino} has become another kind of file`)
  }

  async #setattr(condition: WaitCondition<'setattr'>, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    const { ino, change } = condition
    const inode = table.get(ino)
    const given =
      condition.handle === undefined ? undefined : this.#handles.get(condition.handle).file
    const file = given ?? (inode.isGone ? this.#handles.fileOf(inode) : undefined)
    if (change.size !== undefined) {
      if (given !== undefined) await given.truncate(change.size, options)
      else await files.truncate(table.path(ino), change.size, options)
    }
    const before = await this.#stat(ino, condition.handle, options)
    const changes = changesOf(change, before)
    if (inode.isGone && file !== undefined) await changeOpen(file, changes)
    else await this.#change(table.path(ino), changes, options)
    return await this.#stat(ino, condition.handle, options)
  }

  async #change(path: string, changes: AttributeChanges, options: CallOptions): Promise<void> {
    const { files } = this.#parts
    const { mode, uid, gid, atimeMs, mtimeMs } = changes
    if (uid !== undefined && gid !== undefined) await files.lchown(path, uid, gid, options)
    if (mode !== undefined) await files.chmod(path, mode, options)
    if (atimeMs === undefined || mtimeMs === undefined) return
    await files.lutimes(path, new Date(atimeMs), new Date(mtimeMs), options)
  }

  async #mkdir(condition: WaitCondition<'mkdir'>, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    const path = table.pathIn(condition.parent, condition.name)
    await files.mkdir(path, { mode: condition.mode, ...options })
    return await this.#made(path, condition, options)
  }

  async #symlink(condition: WaitCondition<'symlink'>, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    const path = table.pathIn(condition.parent, condition.name)
    await files.symlink(condition.target, path, null, options)
    return await this.#made(path, condition, options)
  }

  async #mknod(condition: WaitCondition<'mknod'>, options: CallOptions): Promise<Stats> {
    const { files, table } = this.#parts
    const path = table.pathIn(condition.parent, condition.name)
    const file = await files.open(path, 'wx', condition.mode, options)
    await file.close()
    return await this.#made(path, condition, options)
  }

  /** Sets the requested mode and owner if the file system assigned others. */
  async #made(
    path: string,
    condition: WaitCondition<'mkdir' | 'mknod' | 'create' | 'symlink'>,
    options: CallOptions,
  ): Promise<Stats> {
    const { files, table } = this.#parts
    const stats = await files.lstat(path, options)
    if (!files.features.attributes) return stats
    const wanted = wantedOf(
      condition,
      stats,
      await files.lstat(table.path(condition.parent), options),
    )
    const isOwned = stats.uid === wanted.uid && stats.gid === wanted.gid
    const mode = stats.isSymbolicLink() ? undefined : wanted.mode
    if (isOwned && (mode === undefined || (stats.mode & 0o7777) === mode)) return stats
    await this.#change(path, isOwned ? { mode } : { ...wanted, mode }, options)
    return await files.lstat(path, options)
  }

  async #create(
    condition: WaitCondition<'create'>,
    options: CallOptions,
  ): Promise<[Stats, Opened]> {
    const { files, table } = this.#parts
    const { parent, name, flags, mode } = condition
    this.#handles.checkRoom()
    const path = table.pathIn(parent, name)
    const how = O_CREAT | (flags & (O_ACCMODE | O_TRUNC | O_EXCL))
    const file = await files.open(path, how, mode, options)
    try {
      const stats = await this.#made(path, condition, options)
      options.signal?.throwIfAborted()
      const inode = table.enter(parent, name, stats.kind)
      inode.etag = stats.etag
      return [stats, { handle: this.#handles.add({ inode, file }) }]
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #remove(condition: WaitCondition<'unlink' | 'rmdir'>, options: CallOptions): Promise<void> {
    const { files, table } = this.#parts
    const { parent, name } = condition
    const path = table.pathIn(parent, name)
    const inode = table.find(parent, name)
    const stats = condition.op === 'rmdir' ? await files.lstat(path, options) : undefined
    await files[condition.op](path, options)
    if (inode && stats) inode.last = new Stats({ ...stats.fields, nlink: 0 })
    table.remove(parent, name)
  }

  async #rename({ from, to, isNew }: WaitCondition<'rename'>, options: CallOptions): Promise<void> {
    const { files, table } = this.#parts
    const target = table.pathIn(to.parent, to.name)
    if (isNew && (await this.#exists(target, options))) {
      throw new FsError('EEXIST', `${target} is there already`, { path: target })
    }
    await files.rename(table.pathIn(from.parent, from.name), target, options)
    table.move(from, to)
  }

  async #exists(path: string, options: CallOptions): Promise<boolean> {
    try {
      await this.#parts.files.lstat(path, options)
      return true
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** The kernel keeps its cached pages if they are of the opened version. */
  async #open(
    { ino, flags, killSetId }: WaitCondition<'open'>,
    options: CallOptions,
  ): Promise<Opened> {
    const { files, table } = this.#parts
    this.#handles.checkRoom()
    const inode = table.get(ino)
    const path = table.path(ino)
    // Opening for reading with O_TRUNC truncates as well.
    const isReader = (flags & O_ACCMODE) === 0
    if (isReader && (flags & O_TRUNC) !== 0) await files.truncate(path, 0, options)
    const file = await files.open(path, flags & (O_ACCMODE | O_TRUNC), undefined, options)
    try {
      if (killSetId && (flags & O_TRUNC) !== 0) await dropSetId(file)
      const { etag } = await file.stat(options)
      options.signal?.throwIfAborted()
      const keepCache = etag === inode.etag
      inode.etag = etag
      return { handle: this.#handles.add({ inode, file }), keepCache }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #read(condition: WaitCondition<'read'>, options: CallOptions): Promise<Uint8Array> {
    const { handle, offset, sizeBytes } = condition
    const buffer = Buffer.allocUnsafe(sizeBytes)
    const file = this.#handles.file(handle)
    const { bytesRead } = await file.read(buffer, {
      length: sizeBytes,
      position: offset,
      ...options,
    })
    return buffer.subarray(0, bytesRead)
  }

  /** The kernel serializes the writers of a file, so its end does not move meanwhile. */
  async #write(condition: WaitCondition<'write'>, options: CallOptions): Promise<number> {
    const { handle, offset, source, how } = condition
    const file = this.#handles.file(handle)
    if (how.killSetId) await dropSetId(file)
    const position = how.append ? (await file.stat()).size : offset
    const { bytesWritten } = await file.write(source, { position, ...options })
    if (how.sync) await file.sync(options)
    return bytesWritten
  }

  async #release({ handle }: OpenPlace): Promise<void> {
    await this.#handles.remove(handle)?.file?.close()
  }

  async #extend(condition: WaitCondition<'extend'>, options: CallOptions): Promise<void> {
    const { handle, sizeBytes, killSetId } = condition
    const file = this.#handles.file(handle)
    const { size } = await file.stat(options)
    if (sizeBytes - size > (await this.#parts.room())) {
      throw new FsError('ENOSPC', `the cache's disk has no room for ${sizeBytes - size} bytes`)
    }
    if (killSetId) await dropSetId(file)
    await fillUp(file, size, sizeBytes, options)
  }

  async #opendir(ino: number): Promise<Opened> {
    this.#handles.checkRoom()
    return { handle: this.#handles.add({ inode: this.#parts.table.get(ino) }) }
  }

  async #readdir(
    condition: WaitCondition<'readdir'>,
    options: CallOptions,
  ): Promise<DirectoryPage> {
    const { files, table } = this.#parts
    const opened = this.#handles.get(condition.handle)
    const path = table.path(condition.ino)
    if (condition.offset === 0 || opened.names === undefined) {
      opened.names = await Array.fromAsync(files.list(path, options))
    }
    const first = Math.max(0, condition.offset - 2)
    const count = condition.plus
      ? filesystemLimits.directoryPagePlus
      : filesystemLimits.directoryPage
    const page = opened.names.slice(first, first + count)
    if (!condition.plus) return { names: page, first }
    const filled = page.map(async ({ name, kind }) => {
      const stats = await files.lstat(childOf(path, name), options).catch(() => undefined)
      return { name, kind, stats }
    })
    return { names: await Promise.all(filled), first }
  }
}

/** Writes zeros instead of a hole, so that the space is allocated. */
async function fillUp(
  file: FileHandle,
  size: number,
  sizeBytes: number,
  options: CallOptions,
): Promise<void> {
  const zeros = new Uint8Array(
    Math.min(filesystemLimits.fileReadBytes, Math.max(0, sizeBytes - size)),
  )
  try {
    for (let at = size; at < sizeBytes; at += zeros.length) {
      const length = Math.min(zeros.length, sizeBytes - at)
      await file.write(zeros, { length, position: at, ...options })
    }
  } catch (error) {
    await file.truncate(size)
    throw error
  }
}

async function changeOpen(file: FileHandle, changes: AttributeChanges): Promise<void> {
  const { mode, uid, gid, atimeMs, mtimeMs } = changes
  if (uid !== undefined && gid !== undefined) await file.chown(uid, gid)
  if (mode !== undefined) await file.chmod(mode)
  if (atimeMs === undefined || mtimeMs === undefined) return
  await file.utimes(new Date(atimeMs), new Date(mtimeMs))
}

/** Clears the set-id bits after a write by a caller who may not keep them. */
async function dropSetId(file: FileHandle): Promise<void> {
  const mode = withoutSetId(await file.stat())
  if (mode !== undefined) await file.chmod(mode)
}
