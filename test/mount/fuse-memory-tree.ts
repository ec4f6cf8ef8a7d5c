/**
 * A small file system in memory for the tests of `fuse/`, complete enough for ordinary programs.
 * Its state belongs to one thread, so one worker serves it. It does not check permissions (the
 * kernel does) and keeps nothing after the end.
 */
import { lend, ownCopy, type BorrowedBytes } from '../../src/base/borrowed-bytes.ts'
import { FsError } from '../../src/base/fs-error.ts'
import { ROOT_INODE } from '../../src/filesystem/inode-file-system.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  DirectorySink,
  FileSystemStatistics,
  Opened,
} from '../../src/filesystem/inode-file-system.ts'
import type { ServedFileSystem } from '../../src/fuse/handlers/exchange.ts'

const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
const SET_ID = 0o6000
const O_TRUNC = 0o1000
const O_EXCL = 0o200

interface Node {
  attributes: Attributes
  /** Content of a file, or target of a symbolic link. */
  content: Buffer
  /** Entries of a directory; latin1 names preserve every byte. */
  entries: Map<string, number>
  parent: number
  xattrs: Map<string, Buffer>
}

const keyOf = (name: Uint8Array): string => Buffer.from(name).toString('latin1')

export class MemoryTree implements ServedFileSystem {
  readonly #nodes = new Map<number, Node>()
  readonly #listings = new Map<number, [string, number][]>()
  #nextIno = ROOT_INODE
  #nextHandle = 1

  constructor() {
    this.#make({ uid: 0, gid: 0 }, ROOT_INODE, S_IFDIR | 0o755)
  }

  lookup(_: Caller, parent: number, name: Uint8Array): Attributes {
    return this.#child(parent, name).attributes
  }

  getattr(_: Caller, ino: number): Attributes {
    return this.#node(ino).attributes
  }

  setattr(_: Caller, ino: number, change: AttributeChange): Attributes {
    const node = this.#node(ino)
    const a = node.attributes
    if (change.size !== undefined) this.#resize(node, change.size)
    if (change.mode !== undefined) a.mode = (a.mode & S_IFMT) | (change.mode & ~S_IFMT)
    if (change.uid !== undefined) a.uid = change.uid
    if (change.gid !== undefined) a.gid = change.gid
    if (change.uid !== undefined || change.gid !== undefined) dropSetId(a)
    if (change.killSetId === true) dropSetId(a)
    const atime = change.atime === 'now' ? now() : change.atime
    const mtime = change.mtime === 'now' ? now() : change.mtime
    if (atime !== undefined) [a.atimeSec, a.atimeNsec] = [atime.sec, atime.nsec]
    if (mtime !== undefined) [a.mtimeSec, a.mtimeNsec] = [mtime.sec, mtime.nsec]
    const ctime = change.ctime ?? now()
    ;[a.ctimeSec, a.ctimeNsec] = [ctime.sec, ctime.nsec]
    return a
  }

  readlink(_: Caller, ino: number): Uint8Array {
    return this.#node(ino).content
  }

  mknod(caller: Caller, parent: number, name: Uint8Array, mode: number, rdev: number): Attributes {
    const made = this.#add(caller, parent, name, mode)
    made.attributes.rdev = rdev
    return made.attributes
  }

  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number): Attributes {
    const made = this.#add(caller, parent, name, S_IFDIR | (mode & 0o7777))
    this.#node(parent).attributes.nlink++
    return made.attributes
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array): Attributes {
    const made = this.#add(caller, parent, name, S_IFLNK | 0o777)
    made.content = Buffer.from(target)
    made.attributes.size = target.length
    return made.attributes
  }

  link(_: Caller, ino: number, parent: number, name: Uint8Array): Attributes {
    this.#assertAbsent(parent, name)
    this.#node(parent).entries.set(keyOf(name), ino)
    const { attributes } = this.#node(ino)
    attributes.nlink++
    return attributes
  }

  unlink(_: Caller, parent: number, name: Uint8Array): void {
    this.#child(parent, name).attributes.nlink--
    this.#node(parent).entries.delete(keyOf(name))
  }

  rmdir(_: Caller, parent: number, name: Uint8Array): void {
    const child = this.#child(parent, name)
    if (child.entries.size > 0) throw new FsError('ENOTEMPTY', 'the directory has entries')
    this.#node(parent).entries.delete(keyOf(name))
    this.#node(parent).attributes.nlink--
  }

  rename(
    _: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): void {
    const from = this.#node(parent).entries
    const to = this.#node(newParent).entries
    const moved = this.#child(parent, name).attributes.ino
    const replaced = to.get(keyOf(newName))
    if (flags === 1) this.#assertAbsent(newParent, newName)
    if (flags === 2) from.set(keyOf(name), this.#child(newParent, newName).attributes.ino)
    else from.delete(keyOf(name))
    if (flags === 0 && replaced !== undefined) this.#node(replaced).attributes.nlink--
    to.set(keyOf(newName), moved)
  }

  open(_: Caller, ino: number, flags: number, killSetId: boolean): Opened {
    if ((flags & O_TRUNC) !== 0) this.#resize(this.#node(ino), 0)
    if (killSetId) dropSetId(this.#node(ino).attributes)
    return { handle: this.#nextHandle++ }
  }

  create(caller: Caller, parent: number, name: Uint8Array, mode: number, flags: number) {
    const existing = this.#node(parent).entries.get(keyOf(name))
    if (existing !== undefined && (flags & O_EXCL) !== 0) this.#assertAbsent(parent, name)
    const node =
      existing === undefined
        ? this.#add(caller, parent, name, S_IFREG | (mode & 0o7777))
        : this.#node(existing)
    return { attributes: node.attributes, opened: { handle: this.#nextHandle++ } }
  }

  read(_: Caller, ino: number, _handle: number, offset: number, target: BorrowedBytes): number {
    const { content, attributes } = this.#node(ino)
    const part = content.subarray(offset, Math.min(attributes.size, offset + target.length))
    return lend(target, (view) => {
      view.set(part)
      return part.length
    })
  }

  write(
    _: Caller,
    ino: number,
    _handle: number,
    offset: number,
    source: BorrowedBytes,
    how: { append: boolean; killSetId: boolean },
  ): number {
    const node = this.#node(ino)
    const at = how.append ? node.attributes.size : offset
    if (at + source.length > node.attributes.size) this.#resize(node, at + source.length)
    node.content.set(ownCopy(source), at)
    if (how.killSetId) dropSetId(node.attributes)
    const { sec, nsec } = now()
    ;[node.attributes.mtimeSec, node.attributes.mtimeNsec] = [sec, nsec]
    return source.length
  }

  flush(): void {}
  release(): void {}
  fsync(): void {}
  fsyncdir(): void {}

  fallocate(_: Caller, ino: number, _h: number, offset: number, length: number, mode: number) {
    if (mode !== 0) throw new FsError('EOPNOTSUPP', 'only plain fallocate')
    const node = this.#node(ino)
    if (offset + length > node.attributes.size) this.#resize(node, offset + length)
  }

  lseek(_: Caller, ino: number, _handle: number, offset: number, whence: number): number {
    const { size } = this.#node(ino).attributes
    if (offset >= size) throw new FsError('ENXIO', 'behind the end')
    return whence === 3 ? offset : size
  }

  opendir(_: Caller, ino: number): Opened {
    const node = this.#node(ino)
    const handle = this.#nextHandle++
    const listing: [string, number][] = [['.', ino], ['..', node.parent], ...node.entries]
    this.#listings.set(handle, listing)
    return { handle }
  }

  readdir(_: Caller, _ino: number, handle: number, offset: number, sink: DirectorySink): void {
    const listing = this.#listings.get(handle)
    if (listing === undefined) throw new FsError('EBADF', 'no such open directory')
    for (let at = offset; at < listing.length; at++) {
      const [name, ino] = listing[at]!
      const { attributes } = this.#node(ino)
      const attached = sink.plus && at >= 2 ? attributes : undefined
      const bytes = Buffer.from(name, 'latin1')
      if (!sink.add(bytes, ino, attributes.mode & S_IFMT, at + 1, attached)) return
    }
  }

  releasedir(_: Caller, _ino: number, handle: number): void {
    this.#listings.delete(handle)
  }

  statfs(): FileSystemStatistics {
    return {
      blockSize: 4096,
      blocks: 1000,
      blocksFree: 500,
      blocksAvailable: 400,
      files: 100,
      filesFree: 60,
      nameMax: 255,
    }
  }

  setxattr(_: Caller, ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    const { xattrs } = this.#node(ino)
    const key = keyOf(name)
    if (flags === 1 && xattrs.has(key)) throw new FsError('EEXIST', 'attribute exists')
    if (flags === 2 && !xattrs.has(key)) throw new FsError('ENODATA', 'no such attribute')
    xattrs.set(key, Buffer.from(value))
  }

  getxattr(_: Caller, ino: number, name: Uint8Array): Uint8Array {
    const value = this.#node(ino).xattrs.get(keyOf(name))
    if (value === undefined) throw new FsError('ENODATA', 'no such attribute')
    return value
  }

  listxattr(_: Caller, ino: number): Uint8Array {
    return Buffer.from([...this.#node(ino).xattrs.keys()].map((it) => `${it}\0`).join(''), 'latin1')
  }

  removexattr(_: Caller, ino: number, name: Uint8Array): void {
    if (!this.#node(ino).xattrs.delete(keyOf(name))) throw new FsError('ENODATA', 'no attribute')
  }

  #node(ino: number): Node {
    const node = this.#nodes.get(ino)
    if (node === undefined) throw new FsError('ESTALE', `no inode ${ino}`)
    return node
  }

  #child(parent: number, name: Uint8Array): Node {
    const ino = this.#node(parent).entries.get(keyOf(name))
    if (ino === undefined) throw new FsError('ENOENT', 'no such entry')
    return this.#node(ino)
  }

  #assertAbsent(parent: number, name: Uint8Array): void {
    if (this.#node(parent).entries.has(keyOf(name))) throw new FsError('EEXIST', 'it exists')
  }

  #add(caller: Caller, parent: number, name: Uint8Array, mode: number): Node {
    this.#assertAbsent(parent, name)
    const made = this.#make(caller, parent, mode)
    this.#node(parent).entries.set(keyOf(name), made.attributes.ino)
    return made
  }

  #make(owner: { uid: number; gid: number }, parent: number, mode: number): Node {
    const { sec, nsec } = now()
    const attributes: Attributes = {
      ino: this.#nextIno++,
      mode,
      nlink: (mode & S_IFMT) === S_IFDIR ? 2 : 1,
      uid: owner.uid,
      gid: owner.gid,
      rdev: 0,
      size: 0,
      blocks: 0,
      atimeSec: sec,
      atimeNsec: nsec,
      mtimeSec: sec,
      mtimeNsec: nsec,
      ctimeSec: sec,
      ctimeNsec: nsec,
    }
    const node = {
      attributes,
      parent,
      content: Buffer.alloc(0),
      entries: new Map(),
      xattrs: new Map(),
    }
    this.#nodes.set(attributes.ino, node)
    return node
  }

  #resize(node: Node, size: number): void {
    if (size > node.content.length) {
      const grown = Buffer.alloc(Math.max(size, node.content.length * 2))
      grown.set(node.content.subarray(0, node.attributes.size))
      node.content = grown
    }
    if (size < node.attributes.size) node.content.fill(0, size)
    node.attributes.size = size
    node.attributes.blocks = Math.ceil(size / 512)
  }
}

function dropSetId(attributes: Attributes): void {
  if ((attributes.mode & S_IFMT) !== S_IFDIR) attributes.mode &= ~SET_ID
}

function now(): { sec: number; nsec: number } {
  const ms = Date.now()
  return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6 }
}

export function openFileSystem(): MemoryTree {
  return new MemoryTree()
}
