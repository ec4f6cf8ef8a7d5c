/**
 * A local directory as a file system. Nothing outside it is reachable: neither by `..` nor through
 * symbolic links, whether they were created here or by others (`local-path.ts`).
 *
 * If another program replaces a directory by a link between check and use, opening a file detects
 * it (the path of the opened descriptor is checked). Removing and renaming have no such second
 * check; do not export a directory that attackers can write to.
 */
import { randomUUID } from 'node:crypto'
import { realpathSync } from 'node:fs'
import type { Dirent as NodeDirent } from 'node:fs'
import {
  chmod,
  lchown,
  lstat,
  lutimes,
  mkdir,
  open,
  opendir,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import { checkOption, name, required } from '../../base/options.ts'
import { PLAIN_FILE } from '../../base/private-folder.ts'
import { failure, failureOf } from '../failure.ts'
import type { AttributeChanges, CallOptions, Features, ReplaceOptions } from '../file-system.ts'
import type { OpenFile } from '../open-file.ts'
import { toNumber } from '../open-flags.ts'
import type { OpenFlags } from '../open-flags.ts'
import { PortableFileSystem } from '../portable-file-system.ts'
import { Dirent } from '../stats.ts'
import type { FileKind, Stats } from '../stats.ts'
import { LocalFile, toStats } from './local-file.ts'
import { LocalPath } from './local-path.ts'

const ALL: Features = { symlinks: true, attributes: true, directories: true, handles: true }
const BIG = { bigint: true } as const
/** Leftovers of a crash during a replacement; not listed. */
const TEMPORARY = /^\.cachefs-new-[0-9a-f-]{36}$/

export class LocalFS extends PortableFileSystem {
  readonly features = ALL
  readonly #place: LocalPath

  /** The directory must exist. */
  constructor(directory: string) {
    super()
    const rule = required(name('the path of a directory'))
    checkOption('LocalFS', 'directory', rule, directory)
    try {
      this.#place = new LocalPath(realpathSync(directory))
    } catch (error) {
      throw failureOf(error, 'open', directory)
    }
  }

  protected async openFile(path: string, flags: OpenFlags, mode: number): Promise<OpenFile> {
    const place = await this.#place.resolve(path, !flags.exclusive)
    const handle = await open(place, toNumber(flags) | PLAIN_FILE, mode).catch((error: unknown) => {
      // A pipe without a reader, or a socket.
      throw codeOf(error) === 'ENXIO' ? failure('EOPNOTSUPP', 'open', path) : error
    })
    try {
      await this.#checkInside(handle, path)
      await refuseSpecial(handle, path, flags.write)
      return new LocalFile(handle, flags.append)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  protected async statFile(path: string, follow: boolean): Promise<Stats> {
    return toStats(await lstat(await this.#place.resolve(path, follow), BIG))
  }

  protected async *entries(path: string): AsyncGenerator<Dirent> {
    const directory = await opendir(await this.#place.resolve(path, true))
    for await (const entry of directory) {
      if (!TEMPORARY.test(entry.name)) yield new Dirent(entry.name, path, kindOfEntry(entry))
    }
  }

  protected async makeDirectory(path: string, mode: number): Promise<void> {
    if (path === '/') throw failure('EEXIST', 'mkdir', path)
    await mkdir(await this.#place.resolve(path, false), mode)
  }

  protected async removeDirectory(path: string): Promise<void> {
    await rmdir(await this.#place.resolve(path, false))
  }

  protected async removeFile(path: string): Promise<void> {
    const place = await this.#place.resolve(path, false)
    await unlink(place).catch(async (error: unknown) => {
      // The error code depends on the operating system.
      const isRefused = codeOf(error) === 'EPERM' || codeOf(error) === 'EISDIR'
      const isDirectory = isRefused && (await lstat(place)).isDirectory()
      throw isDirectory ? failure('EISDIR', 'unlink', path) : error
    })
  }

  protected async move(from: string, to: string): Promise<void> {
    const source = await this.#place.resolve(from, false)
    await rename(source, await this.#place.resolve(to, false))
  }

  protected async makeLink(target: string, path: string): Promise<void> {
    await symlink(target, await this.#place.resolve(path, false))
  }

  protected async readTarget(path: string): Promise<string> {
    return await readlink(await this.#place.resolve(path, false))
  }

  protected async change(path: string, changes: AttributeChanges, follow: boolean): Promise<void> {
    const place = await this.#place.resolve(path, follow)
    const { mode, uid, gid, atimeMs, mtimeMs } = changes
    const before = await lstat(place)
    if (mode !== undefined) await chmod(place, mode)
    if (uid !== undefined || gid !== undefined) await lchown(place, uid ?? -1, gid ?? -1)
    if (atimeMs === undefined && mtimeMs === undefined) return
    await lutimes(place, (atimeMs ?? before.atimeMs) / 1000, (mtimeMs ?? before.mtimeMs) / 1000)
  }

  /** Writes to a temporary file in the same directory, which is then renamed to the path. */
  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions & CallOptions,
  ): Promise<Stats> {
    const { ifMatch, mtimeMs, signal } = options
    const place = await this.#place.resolve(path, true)
    const before = await this.#checkVersion(path, place, ifMatch)
    const temporary = join(dirname(place), `.cachefs-new-${randomUUID()}`)
    const mode = options.mode ?? (before === undefined ? 0o666 : before.mode & 0o7777)
    try {
      await using handle = await open(temporary, 'wx', mode)
      // Before chmod: a change of owner clears the set-id bits. Ignored without the permission for
      // it.
      if (before) await handle.chown(before.uid, before.gid).catch(ignoreForbidden)
      // The umask must not apply to a given mode, nor to the mode of the replaced file.
      if (options.mode !== undefined || before !== undefined) await handle.chmod(mode)
      for await (const piece of source) {
        throwIfAborted(signal)
        await handle.writeFile(piece)
      }
      throwIfAborted(signal)
      if (mtimeMs !== undefined) await handle.utimes(mtimeMs / 1000, mtimeMs / 1000)
      await this.#checkVersion(path, place, ifMatch)
      await rename(temporary, place)
      return toStats(await handle.stat(BIG))
    } catch (error) {
      await rm(temporary, { force: true })
      throw failureOf(error, 'open', path)
    }
  }

  async #checkVersion(
    path: string,
    place: string,
    ifMatch: string | null | undefined,
  ): Promise<Stats | undefined> {
    const stats = await lstat(place, BIG).then(toStats, (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    })
    if (stats?.isDirectory()) throw failure('EISDIR', 'open', path)
    if (ifMatch !== undefined && (stats?.etag ?? null) !== ifMatch) {
      throw failure('ESTALE', 'open', path, { cause: basename(place) })
    }
    return stats
  }

  /** Checks the path of an open descriptor; only Linux provides it. */
  async #checkInside(handle: FileHandle, path: string): Promise<void> {
    if (process.platform !== 'linux') return
    const real = await readlink(`/proc/self/fd/${handle.fd}`)
    if (!this.#place.holds(real)) throw failure('EACCES', 'open', path)
  }
}

async function refuseSpecial(handle: FileHandle, path: string, write: boolean): Promise<void> {
  const stats = await handle.stat()
  if (stats.isFIFO() || (write && !stats.isFile())) throw failure('EOPNOTSUPP', 'open', path)
}

function kindOfEntry(entry: NodeDirent): FileKind {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}

function ignoreForbidden(error: unknown): void {
  if (codeOf(error) !== 'EPERM') throw error
}
