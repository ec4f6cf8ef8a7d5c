/**
 * An existing bucket or container as a file system: one object per file, with the path as its key.
 * A directory is a common prefix of keys up to a slash, or an empty object whose key ends with a
 * slash, so that it can exist without content. All objects stay readable by other tools.
 *
 * Objects are replaced as a whole, so every write is atomic. A rename copies and deletes: the new
 * names are complete before the first old one is deleted. No reader sees part of a file, but during
 * the rename of a directory, readers may see both names.
 */
import type { FsError } from '../../base/fs-error.ts'
import { concurrentMap } from '../../base/async/concurrent-map.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { filesystemLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { failure } from '../failure.ts'
import { collect, piecesOf, textOf } from '../file-bytes.ts'
import type {
  AttributeChanges,
  CallOptions,
  ContentOptions,
  Features,
  ReplaceOptions,
} from '../file-system.ts'
import { childOf, isName, nameOf, parentOf } from '../file-path.ts'
import type { OpenFile } from '../open-file.ts'
import type { OpenFlags } from '../open-flags.ts'
import { realPlace } from '../real-path.ts'
import { Dirent, Stats } from '../stats.ts'
import { WholeFileSystem } from '../whole-file-system.ts'
import { DIRECTORY, LINK, changed, metadataOf, ownerIn, statsOf } from './object-attributes.ts'
import { knownVersion, nothing, watched } from './object-bytes.ts'
import { ObjectFile } from './object-file.ts'
import type { ListedKey, ObjectInfo, ObjectStore } from './object-store.ts'

const FEATURES: Features = { symlinks: true, attributes: true, directories: true, handles: false }

interface Found {
  stats: Stats
  /** Undefined for a directory without its own object. */
  info?: ObjectInfo
}

interface Place {
  place: string
  found?: Found | undefined
}

export class ObjectFS extends WholeFileSystem {
  readonly features = FEATURES
  readonly #store: ObjectStore
  readonly #prefix: string
  /** Lookups without following links, for the resolution of links. */
  readonly #links = {
    features: FEATURES,
    lstat: async (path: string, options: CallOptions = {}): Promise<Stats> => {
      const found = await this.#find(path, options)
      if (found === undefined) throw await this.#missing(path, 'lstat', options)
      return found.stats
    },
    readlink: (path: string): Promise<string> => this.readTarget(path, {}),
  }

  /** `prefix`: common prefix of all keys. */
  constructor(store: ObjectStore, prefix = '') {
    super()
    this.#store = store
    const trimmed = prefix.replaceAll(/^\/+|\/+$/g, '')
    this.#prefix = trimmed === '' ? '' : `${trimmed}/`
  }

  protected async openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    const { place, found } = await this.#look(path, !flags.exclusive, options)
    if (found !== undefined && flags.exclusive) throw failure('EEXIST', 'open', path)
    if (found === undefined && !flags.create) throw await this.#missing(path, 'open', options)
    if (found?.stats.isDirectory() === true && flags.write) throw failure('EISDIR', 'open', path)
    let { stats } = found ?? {}
    if (stats === undefined || (flags.truncate && flags.write)) {
      const only = flags.exclusive ? { ifMatch: null } : {}
      stats = await this.replaceFile(place, nothing(), { ...options, ...only, mode })
    }
    const { etag, size } = stats
    return new ObjectFile({
      stats,
      isEmpty: size === 0 && !stats.isDirectory(),
      isWriter: flags.write,
      read: (start, end, call) => {
        return this.#store.get(this.#key(place), { ...call, start, end, ifMatch: etag })
      },
      save: (source, sizeBytes, bits) => {
        return this.replaceFile(place, source, { size: sizeBytes, mode: bits })
      },
    })
  }

  protected async statFile(path: string, follow: boolean, options: CallOptions): Promise<Stats> {
    const { found } = await this.#look(path, follow, options)
    if (found === undefined) throw await this.#missing(path, 'stat', options)
    return found.stats
  }

  protected async *entries(path: string, options: CallOptions): AsyncGenerator<Dirent> {
    const place = await this.#place(path, options)
    const prefix = this.#folder(place)
    const state = { hasAny: place === '/' }
    // An object and a prefix may have the same name: the path is the object's.
    const seen = new Set<string>()
    const entryOf = async (it: ListedKey): Promise<Dirent | undefined> => {
      state.hasAny = true
      const name = ('key' in it ? it.key : it.prefix.slice(0, -1)).slice(prefix.length)
      if (!isName(name) || seen.has(name)) return undefined
      seen.add(name)
      return await this.#entry(path, `${place === '/' ? '' : place}/${name}`, it, options)
    }
    const listed = this.#store.list(prefix, false, options)
    for await (const entry of concurrentMap(listed, tiersLimits.cloudCallsAtOnce, entryOf)) {
      if (entry !== undefined) yield entry
    }
    if (state.hasAny) return
    const found = await this.#find(place, options)
    if (found === undefined) throw await this.#missing(path, 'scandir', options)
    if (!found.stats.isDirectory()) throw failure('ENOTDIR', 'scandir', path)
  }

  /** A listing without metadata does not show links: objects that may be one are looked up. */
  async #entry(
    parent: string,
    place: string,
    it: ListedKey,
    options: CallOptions,
  ): Promise<Dirent | undefined> {
    const name = nameOf(place)
    if ('prefix' in it) return new Dirent(name, parent, 'directory')
    const { metadata } = it
    if (metadata === undefined && (it.size === 0 || it.size > filesystemLimits.pathBytes)) {
      return new Dirent(name, parent, 'file')
    }
    const listed = metadata === undefined ? undefined : statsOf({ ...it, metadata })
    const stats = listed ?? (await this.#find(place, options))?.stats
    return stats === undefined ? undefined : new Dirent(name, parent, stats.kind, stats)
  }

  protected async makeDirectory(path: string, mode: number, options: CallOptions): Promise<void> {
    if (await this.#find(path, options)) throw failure('EEXIST', 'mkdir', path)
    const place = await this.#newPlace(path, 'mkdir', options)
    const metadata = metadataOf((DIRECTORY & ~0o7777) | (mode & 0o7777 & ~0o022))
    await this.#store.put(this.#folder(place), nothing(), { ...options, metadata, size: 0 })
  }

  protected async removeDirectory(path: string, options: CallOptions): Promise<void> {
    const { place, found } = await this.#look(path, false, options)
    if (found === undefined) throw failure('ENOENT', 'rmdir', path)
    if (!found.stats.isDirectory()) throw failure('ENOTDIR', 'rmdir', path)
    const folder = this.#folder(place)
    for await (const it of this.#store.list(folder, false, options)) {
      if (!('key' in it) || it.key !== folder) throw failure('ENOTEMPTY', 'rmdir', path)
    }
    await this.#store.remove(folder, options)
  }

  protected async removeFile(path: string, options: CallOptions): Promise<void> {
    const { place, found } = await this.#look(path, false, options)
    if (found === undefined) throw failure('ENOENT', 'unlink', path)
    if (found.stats.isDirectory()) throw failure('EISDIR', 'unlink', path)
    await this.#keepFolder(place, options)
    await this.#store.remove(this.#key(place), options)
  }

  protected async move(from: string, to: string, options: CallOptions): Promise<void> {
    const [source, target] = [
      await this.#parentPlace(from, options),
      await this.#newPlace(to, 'rename', options),
    ]
    const found = await this.#find(source, options)
    if (found === undefined) throw failure('ENOENT', 'rename', from, { dest: to })
    if (source === target) return
    const there = await this.#find(target, options)
    if (there !== undefined) await this.#checkReplaced(found, there, from, target, options)
    await this.#keepFolder(source, options)
    if (!found.stats.isDirectory()) {
      const { size = 0 } = found.info ?? {}
      await this.#store.copy(this.#key(source), this.#key(target), { ...options, size })
      await this.#store.remove(this.#key(source), options)
      return
    }
    await this.#moveFolder(this.#folder(source), this.#folder(target), options)
  }

  async #moveFolder(from: string, to: string, options: CallOptions): Promise<void> {
    const found: { key: string; size: number }[] = []
    for await (const it of this.#store.list(from, true, options)) if ('key' in it) found.push(it)
    const pool = new Semaphore(tiersLimits.cloudCallsAtOnce / 2)
    const copy = async (key: string, size: number): Promise<void> => {
      await this.#store.copy(key, to + key.slice(from.length), { ...options, size })
    }
    await Promise.all(found.map(({ key, size }) => pool.run(() => copy(key, size))))
    // From the leaves up: some stores reject deleting a directory object with content below.
    for (const { key } of found.reverse()) await this.#store.remove(key, options)
  }

  async #checkReplaced(
    found: Found,
    there: Found,
    from: string,
    target: string,
    options: CallOptions,
  ): Promise<void> {
    const dest = target
    if (!there.stats.isDirectory()) {
      if (found.stats.isDirectory()) throw failure('ENOTDIR', 'rename', from, { dest })
      return
    }
    if (!found.stats.isDirectory()) throw failure('EISDIR', 'rename', from, { dest })
    const folder = this.#folder(target)
    for await (const it of this.#store.list(folder, false, options)) {
      if (!('key' in it) || it.key !== folder) throw failure('ENOTEMPTY', 'rename', from, { dest })
    }
  }

  protected async makeLink(target: string, path: string, options: CallOptions): Promise<void> {
    if (await this.#find(path, options)) throw failure('EEXIST', 'symlink', path)
    const place = await this.#newPlace(path, 'symlink', options)
    const how = { ...options, metadata: metadataOf(LINK) }
    await this.#store.put(this.#key(place), piecesOf(target), how)
  }

  protected async readTarget(path: string, options: CallOptions): Promise<string> {
    const found = await this.#find(path, options)
    if (found === undefined) throw failure('ENOENT', 'readlink', path)
    if (!found.stats.isSymbolicLink()) throw failure('EINVAL', 'readlink', path)
    return textOf(await collect(this.#store.get(this.#key(path), options)), 'utf8')
  }

  protected async change(
    path: string,
    changes: AttributeChanges,
    follow: boolean,
    options: CallOptions,
  ): Promise<void> {
    const { place, found } = await this.#look(path, follow, options)
    if (found === undefined) throw failure('ENOENT', 'chmod', path)
    const { stats, info } = found
    const metadata = changed(info?.metadata ?? {}, stats, changes)
    if (stats.isDirectory()) {
      const folder = this.#folder(place)
      await this.#store.put(folder, nothing(), { ...options, metadata, size: 0 })
    } else {
      const key = this.#key(place)
      await this.#store.copy(key, key, { ...options, metadata, size: stats.size })
    }
  }

  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats> {
    const { place, found } = await this.#look(path, true, options)
    const { signal, size } = options
    if (found?.stats.isDirectory() === true) throw failure('EISDIR', 'open', path)
    if (found === undefined) await this.#newPlace(place, 'open', options)
    const { ifMatch } = options
    if (ifMatch !== undefined && (found?.stats.etag ?? null) !== ifMatch) {
      throw failure('ESTALE', 'open', path)
    }
    const mode = options.mode === undefined ? undefined : 0o100000 | (options.mode & 0o7777)
    const before = found?.info?.metadata ?? {}
    const bits = mode ?? Number(before['mode'] ?? 0o100644)
    const metadata = { ...ownerIn(before), ...metadataOf(bits, options.mtimeMs) }
    const put = await this.#store.put(this.#key(place), watched(source, signal), {
      ...{ metadata, ifMatch, signal, size },
    })
    return statsOf({ ...put, modifiedMs: Date.now(), metadata })
  }

  protected override async *pieces(
    path: string,
    options: ContentOptions,
  ): AsyncGenerator<Uint8Array> {
    const { start = 0, end = Infinity, ifMatch, signal } = options
    const known = await knownVersion(this.#store, this.#key(path), options)
    if (known !== undefined) {
      yield* known
      return
    }
    const { place, found } = await this.#look(path, true, options)
    if (found === undefined) throw await this.#missing(path, 'open', options)
    if (found.stats.isDirectory()) throw failure('EISDIR', 'read', path)
    const { size, etag } = found.stats
    if (ifMatch !== undefined && ifMatch !== etag) throw failure('ESTALE', 'read', path)
    const last = Math.min(end, size - 1)
    if (start > last) return
    yield* this.#store.get(this.#key(place), { start, end: last, ifMatch: etag, signal })
  }

  #key(path: string): string {
    return this.#prefix + path.slice(1)
  }

  #folder(path: string): string {
    return path === '/' ? this.#prefix : `${this.#key(path)}/`
  }

  /** The entry at the path itself, link or not. */
  async #find(path: string, options: CallOptions): Promise<Found | undefined> {
    if (path === '/') return { stats: new Stats({ kind: 'directory' }) }
    const clean = path.replaceAll(/\/+/g, '/')
    const info = await this.#store.head(this.#key(clean), options)
    if (info !== undefined) return { stats: statsOf(info), info }
    const folder = this.#folder(clean)
    // The directory's own object precedes its content in the listing.
    for await (const it of this.#store.list(folder, false, { ...options, pageKeys: 1 })) {
      const isMarker = 'key' in it && it.key === folder
      const marker = isMarker ? await this.#store.head(folder, options) : undefined
      if (marker === undefined) return { stats: new Stats({ kind: 'directory' }) }
      return { stats: statsOf(marker, DIRECTORY), info: marker }
    }
    return undefined
  }

  /** Resolves a path; one without links, which is the usual case, costs no further requests. */
  async #look(path: string, follow: boolean, options: CallOptions): Promise<Place> {
    const found = await this.#find(path, options)
    const isLink = found?.stats.isSymbolicLink() === true
    if (found !== undefined && !(follow && isLink)) return { place: path, found }
    const parent = parentOf(path)
    const isPlain = found === undefined && (await this.#find(parent, options))?.stats.isDirectory()
    if (isPlain === true) return { place: path }
    const at = follow ? path : parent
    const real = await realPlace(this.#links, at, options)
    const place = follow ? real : childOf(real, nameOf(path))
    return { place, found: place === path ? found : await this.#find(place, options) }
  }

  async #place(path: string, options: CallOptions): Promise<string> {
    return (await this.#look(path, true, options)).place
  }

  async #parentPlace(path: string, options: CallOptions): Promise<string> {
    return (await this.#look(path, false, options)).place
  }

  /** Checks that the parent exists and is a directory. */
  async #newPlace(path: string, syscall: string, options: CallOptions): Promise<string> {
    const parent = await this.#place(parentOf(path), options)
    const found = await this.#find(parent, options)
    if (found === undefined) throw await this.#missing(path, syscall, options)
    if (!found.stats.isDirectory()) throw failure('ENOTDIR', syscall, path)
    return parent === '/' ? `/${nameOf(path)}` : `${parent}/${nameOf(path)}`
  }

  /** Creates the object of a directory that would vanish with its only file. */
  async #keepFolder(path: string, options: CallOptions): Promise<void> {
    const parent = parentOf(path)
    if (parent === '/') return
    const folder = this.#folder(parent)
    if ((await this.#store.head(folder, options)) !== undefined) return
    const metadata = metadataOf(DIRECTORY)
    await this.#store.put(folder, nothing(), { ...options, metadata, size: 0 })
  }

  /** ENOTDIR if a parent of the path is a file, else ENOENT. */
  async #missing(path: string, syscall: string, options: CallOptions): Promise<FsError> {
    for (let at = parentOf(path); at !== '/'; at = parentOf(at)) {
      const found = await this.#find(at, options)
      if (found?.stats.isFile() === true) return failure('ENOTDIR', syscall, path)
      if (found !== undefined) break
    }
    return failure('ENOENT', syscall, path)
  }
}
