/**
 * A read-only tree without state, so that any number of threads can serve it. Its names have the
 * behaviour that tests of `fuse/` need: wait for something slow, fail in ways no file system
 * should, send hints. Slow operations complete when a number in shared memory is set.
 */
import { lend, type BorrowedBytes } from '../../src/base/borrowed-bytes.ts'
import { NotStarted } from '../../src/base/suspended.ts'
import { FsError } from '../../src/base/fs-error.ts'
import type {
  Attributes,
  Caller,
  DirectorySink,
  Opened,
} from '../../src/filesystem/inode-file-system.ts'
import type { ServedFileSystem } from '../../src/fuse/handlers/exchange.ts'
import type { WorkerContext } from '../../src/fuse/fuse-worker.ts'
import { MemoryTree } from './fuse-memory-tree.ts'

/** Inodes by name; every name `f<number>` exists too. */
export const SLOW_TREE = {
  'slow-open': 10,
  'slow-read': 11,
  'never-ready': 12,
  'no-space': 13,
  broken: 14,
  hint: 15,
  deadly: 16,
  plain: 17,
} as const

export const CONTENT = Buffer.from('the content of every file here\n')
const FIRST_NUMBERED = 1000

const isDirectory = (ino: number): boolean => ino === 1

export class SlowTree extends MemoryTree implements ServedFileSystem {
  readonly #ready: Int32Array<SharedArrayBuffer>
  readonly #context: WorkerContext

  constructor(ready: SharedArrayBuffer, context: WorkerContext) {
    super()
    this.#ready = new Int32Array(ready)
    this.#context = context
  }

  override lookup(_: Caller, _parent: number, name: Uint8Array): Attributes {
    const text = Buffer.from(name).toString()
    if (text === 'broken') throw new TypeError('a mistake of the file system')
    if (text === 'hint') this.#context.hint({ looked: 'up' })
    // Ends only this thread, as lack of memory would.
    // eslint-disable-next-line no-restricted-syntax
    if (text === 'deadly') process.exit(7)
    const numbered = /^f(\d+)$/.exec(text)
    if (numbered !== null) return attributesOf(FIRST_NUMBERED + Number(numbered[1]))
    if (!Object.hasOwn(SLOW_TREE, text)) throw new FsError('ENOENT', text)
    return attributesOf(SLOW_TREE[text as keyof typeof SLOW_TREE])
  }

  override getattr(_: Caller, ino: number): Attributes {
    return attributesOf(ino)
  }

  override open(_: Caller, ino: number): Opened {
    if (ino === SLOW_TREE['no-space']) throw new NotStarted({ ino })
    if (ino === SLOW_TREE['slow-open'] || ino === SLOW_TREE['never-ready']) this.#wait(ino)
    return { handle: ino, keepCache: ino === SLOW_TREE.plain }
  }

  override read(_: Caller, ino: number, _h: number, offset: number, target: BorrowedBytes): number {
    if (ino === SLOW_TREE['slow-read']) this.#wait(ino)
    const part = CONTENT.subarray(offset, offset + target.length)
    return lend(target, (view) => {
      view.set(part)
      return part.length
    })
  }

  override readdir(_: Caller, _i: number, _h: number, offset: number, sink: DirectorySink): void {
    const names = Object.entries(SLOW_TREE)
    for (let at = offset; at < names.length; at++) {
      const [name, ino] = names[at]!
      const attributes = attributesOf(ino)
      if (!sink.add(Buffer.from(name), ino, attributes.mode & 0o170000, at + 1, attributes)) return
    }
  }

  #wait(ino: number): void {
    if (Atomics.load(this.#ready, 0) === 0) throw new NotStarted({ ino })
  }
}

function attributesOf(ino: number): Attributes {
  return {
    ino,
    mode: isDirectory(ino) ? 0o040755 : 0o100644,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: isDirectory(ino) ? 0 : CONTENT.length,
    blocks: 1,
    atimeSec: 1,
    atimeNsec: 2,
    mtimeSec: 3,
    mtimeNsec: 4,
    ctimeSec: 5,
    ctimeNsec: 6,
  }
}

export function openFileSystem(data: unknown, context: WorkerContext): SlowTree {
  return new SlowTree(data as SharedArrayBuffer, context)
}
