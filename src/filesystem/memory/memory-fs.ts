/**
 * A file system in memory: for tests, for browsers, and as the local side of a `CacheFS`. Names,
 * links, attributes and open files behave as on a disk; permissions are stored and not enforced.
 *
 * Each call is atomic: nothing else runs between its first check and its last change.
 */
import { failure } from '../failure.ts'
import { nameOf, namesOf, parentOf } from '../file-path.ts'
import type { AttributeChanges, CallOptions, Features, ReplaceOptions } from '../file-system.ts'
import type { OpenFile } from '../open-file.ts'
import type { OpenFlags } from '../open-flags.ts'
import { PortableFileSystem } from '../portable-file-system.ts'
import { PathWalk } from '../real-path.ts'
import { Dirent } from '../stats.ts'
import type { Stats } from '../stats.ts'
import { throwIfAborted } from '../../base/async/abort.ts'
import { MemoryFile } from './memory-file.ts'
import { MemoryNode } from './memory-node.ts'

const ALL: Features = { symlinks: true, attributes: true, directories: true, handles: true }

interface Place {
  parent: MemoryNode
  name: string
  node: MemoryNode | undefined
}

export class MemoryFS extends PortableFileSystem {
  readonly features = ALL
  readonly #root = new MemoryNode('directory', 0o755)

  protected async openFile(path: string, flags: OpenFlags, mode: number): Promise<OpenFile> {
    let { node } = this.#place(path, !flags.exclusive, 'open')
    if (node !== undefined && flags.exclusive) throw failure('EEXIST', 'open', path)
    if (node === undefined) {
      if (!flags.create) throw failure('ENOENT', 'open', path)
      node = this.#add(path, new MemoryNode('file', mode & 0o7777), 'open')
    }
    if (node.kind === 'directory' && flags.write) throw failure('EISDIR', 'open', path)
    if (flags.truncate && flags.write && node.pages.size > 0) {
      node.pages.truncate(0)
      node.touch()
    } else if (flags.truncate) node.touch()
    return new MemoryFile(node, flags.write)
  }

  protected async statFile(path: string, follow: boolean): Promise<Stats> {
    return this.#find(path, follow, follow ? 'stat' : 'lstat').stats
  }

  protected async *entries(path: string): AsyncGenerator<Dirent> {
    const node = this.#find(path, true, 'scandir')
    if (node.kind !== 'directory') throw failure('ENOTDIR', 'scandir', path)
    for (const [name, child] of [...node.children]) {
      yield new Dirent(name, path, child.kind, child.stats)
    }
  }

  protected async makeDirectory(path: string, mode: number): Promise<void> {
    this.#add(path, new MemoryNode('directory', mode & 0o7777), 'mkdir')
  }

  protected async removeDirectory(path: string): Promise<void> {
    const node = this.#find(path, false, 'rmdir')
    if (node.kind !== 'directory') throw failure('ENOTDIR', 'rmdir', path)
    if (node.children.size > 0) throw failure('ENOTEMPTY', 'rmdir', path)
    this.#drop(this.#place(path, false, 'rmdir'))
  }

  protected async removeFile(path: string): Promise<void> {
    const place = this.#place(path, false, 'unlink')
    if (place.node === undefined) throw failure('ENOENT', 'unlink', path)
    if (place.node.kind === 'directory') throw failure('EISDIR', 'unlink', path)
    this.#drop(place)
  }

  protected async move(from: string, to: string): Promise<void> {
    const source = this.#place(from, false, 'rename')
    const target = this.#place(to, false, 'rename')
    const { node } = source
    if (node === undefined) throw failure('ENOENT', 'rename', from, { dest: to })
    if (node === target.node) return
    if (hasBelow(node, target.parent)) throw failure('EINVAL', 'rename', from, { dest: to })
    checkReplaced(node, target.node, from, to)
    if (target.node !== undefined) this.#drop(target)
    source.parent.children.delete(source.name)
    source.parent.touch()
    target.parent.children.set(target.name, node)
    target.parent.touch()
  }

  protected async makeLink(target: string, path: string): Promise<void> {
    this.#add(path, new MemoryNode('symlink', 0o777, target), 'symlink')
  }

  protected async readTarget(path: string): Promise<string> {
    const node = this.#find(path, false, 'readlink')
    if (node.kind !== 'symlink') throw failure('EINVAL', 'readlink', path)
    return node.target
  }

  protected async change(path: string, changes: AttributeChanges, follow: boolean): Promise<void> {
    this.#find(path, follow, 'chmod').change(changes)
  }

  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions & CallOptions,
  ): Promise<Stats> {
    const { mode, mtimeMs, signal, ifMatch } = options
    this.#checkVersion(path, ifMatch)
    const made = new MemoryNode('file', (mode ?? 0o666) & 0o7777)
    for await (const piece of source) {
      throwIfAborted(signal)
      made.pages.write(piece, made.pages.size)
    }
    throwIfAborted(signal)
    const before = this.#checkVersion(path, ifMatch)
    const node = before ?? this.#add(path, made, 'open')
    if (node.kind === 'directory') throw failure('EISDIR', 'open', path)
    if (node !== made) node.takeContentOf(made)
    if (mode !== undefined || mtimeMs !== undefined) node.change({ mode, mtimeMs })
    return node.stats
  }

  #checkVersion(path: string, ifMatch: string | null | undefined): MemoryNode | undefined {
    const { node } = this.#place(path, true, 'open')
    if (ifMatch === undefined) return node
    if ((node?.stats.etag ?? null) !== ifMatch) throw failure('ESTALE', 'open', path)
    return node
  }

  #find(path: string, follow: boolean, syscall: string): MemoryNode {
    const { node } = this.#place(path, follow, syscall)
    if (node === undefined) throw failure('ENOENT', syscall, path)
    return node
  }

  /** Resolves a path; its last name may not exist, its parents must. */
  #place(path: string, follow: boolean, syscall: string): Place {
    const walk = new PathWalk(path)
    let place: Place = { parent: this.#root, name: '', node: this.#root }
    for (let at = walk.next(); at !== undefined; at = walk.next()) {
      const parent = this.#directory(parentOf(at))
      if (parent === undefined) throw failure('ENOENT', syscall, path)
      if (parent.kind !== 'directory') throw failure('ENOTDIR', syscall, path)
      const name = nameOf(at)
      const node = parent.children.get(name)
      if (node?.kind === 'symlink' && (follow || !walk.isLast)) walk.follow(node.target)
      place = { parent, name, node }
    }
    // A link to `/` or `..` ends without another name.
    const landed = this.#directory(walk.path)
    return landed !== undefined && landed !== place.node && follow
      ? { ...place, node: landed }
      : place
  }

  /** Finds a path without links. */
  #directory(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.#root
    for (const name of namesOf(path)) {
      if (node?.kind !== 'directory') return node
      node = node.children.get(name)
    }
    return node
  }

  #add(path: string, node: MemoryNode, syscall: string): MemoryNode {
    const place = this.#place(path, syscall === 'open', syscall)
    if (place.node !== undefined) throw failure('EEXIST', syscall, path)
    place.parent.children.set(place.name, node)
    place.parent.touch()
    return node
  }

  #drop({ parent, name, node }: Place): void {
    parent.children.delete(name)
    parent.touch()
    if (node !== undefined) node.isRemoved = true
  }
}

function hasBelow(node: MemoryNode, other: MemoryNode): boolean {
  if (node === other) return true
  return [...node.children.values()].some((child) => hasBelow(child, other))
}

function checkReplaced(
  node: MemoryNode,
  target: MemoryNode | undefined,
  from: string,
  dest: string,
): void {
  if (target === undefined) return
  const isDirectory = node.kind === 'directory'
  if (target.kind === 'directory') {
    if (!isDirectory) throw failure('EISDIR', 'rename', from, { dest })
    if (target.children.size > 0) throw failure('ENOTEMPTY', 'rename', from, { dest })
  } else if (isDirectory) throw failure('ENOTDIR', 'rename', from, { dest })
}
