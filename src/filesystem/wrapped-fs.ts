/**
 * A file system that delegates all calls to another one: base of `SubFS` and `ReadOnlyFS`, which
 * change how paths are mapped or which calls are allowed.
 */
import type {
  AttributeChanges,
  CallOptions,
  ContentOptions,
  Features,
  FileSystem,
  ReplaceOptions,
} from './file-system.ts'
import { checkOption, fileSystem } from '../base/options.ts'
import { handleFile } from './handle-file.ts'
import type { OpenFile } from './open-file.ts'
import { toNumber } from './open-flags.ts'
import type { OpenFlags } from './open-flags.ts'
import { PortableFileSystem } from './portable-file-system.ts'
import { Dirent } from './stats.ts'
import type { Stats } from './stats.ts'

export abstract class WrappedFS extends PortableFileSystem {
  readonly #inner: FileSystem

  constructor(inner: FileSystem) {
    super()
    checkOption(new.target.name, 'inner', fileSystem(), inner)
    this.#inner = inner
  }

  get features(): Features {
    return this.#inner.features
  }

  /** Maps a path to one of the inner file system; resolves links on the way. */
  protected place(path: string, _follow: boolean, _options: CallOptions): Promise<string> {
    return Promise.resolve(path)
  }

  protected async openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    const place = await this.place(path, !flags.exclusive, options)
    return handleFile(await this.#inner.open(place, toNumber(flags), mode, options))
  }

  protected async statFile(path: string, follow: boolean, options: CallOptions): Promise<Stats> {
    const place = await this.place(path, follow, options)
    return follow ? await this.#inner.stat(place, options) : await this.#inner.lstat(place, options)
  }

  protected async *entries(path: string, options: CallOptions): AsyncGenerator<Dirent> {
    const place = await this.place(path, true, options)
    for await (const { name, kind, stats } of this.#inner.list(place, options)) {
      yield new Dirent(name, path, kind, stats)
    }
  }

  protected async makeDirectory(path: string, mode: number, options: CallOptions): Promise<void> {
    await this.#inner.mkdir(await this.place(path, false, options), { ...options, mode })
  }

  protected async removeDirectory(path: string, options: CallOptions): Promise<void> {
    await this.#inner.rmdir(await this.place(path, false, options), options)
  }

  protected async removeFile(path: string, options: CallOptions): Promise<void> {
    await this.#inner.unlink(await this.place(path, false, options), options)
  }

  protected async move(from: string, to: string, options: CallOptions): Promise<void> {
    const source = await this.place(from, false, options)
    await this.#inner.rename(source, await this.place(to, false, options), options)
  }

  protected async makeLink(target: string, path: string, options: CallOptions): Promise<void> {
    await this.#inner.symlink(target, await this.place(path, false, options), null, options)
  }

  protected async readTarget(path: string, options: CallOptions): Promise<string> {
    return await this.#inner.readlink(await this.place(path, false, options), options)
  }

  protected async change(
    path: string,
    changes: AttributeChanges,
    follow: boolean,
    options: CallOptions,
  ): Promise<void> {
    await applyChanges(this.#inner, await this.place(path, follow, options), changes, options)
  }

  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions & CallOptions,
  ): Promise<Stats> {
    return await this.#inner.replace(await this.place(path, true, options), source, options)
  }

  protected override async *pieces(
    path: string,
    options: ContentOptions,
  ): AsyncGenerator<Uint8Array> {
    yield* this.#inner.content(await this.place(path, true, options), options)
  }
}

/** Applies changes one by one to the name itself: links were resolved before. */
async function applyChanges(
  files: FileSystem,
  path: string,
  changes: AttributeChanges,
  options: CallOptions,
): Promise<void> {
  const { mode, uid, gid, atimeMs, mtimeMs } = changes
  const isPartial = [uid, gid].filter((it) => it === undefined).length === 1
  const areTimesPartial = [atimeMs, mtimeMs].filter((it) => it === undefined).length === 1
  const before = isPartial || areTimesPartial ? await files.lstat(path, options) : undefined
  if (mode !== undefined) await files.chmod(path, mode, options)
  if (uid !== undefined || gid !== undefined) {
    await files.lchown(path, uid ?? before?.uid ?? 0, gid ?? before?.gid ?? 0, options)
  }
  if (atimeMs === undefined && mtimeMs === undefined) return
  const atime = new Date(atimeMs ?? before?.atimeMs ?? 0)
  await files.lutimes(path, atime, new Date(mtimeMs ?? before?.mtimeMs ?? 0), options)
}
