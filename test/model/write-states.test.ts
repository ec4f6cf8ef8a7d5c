/**
 * The write states of a file (src/cache/state/write-state.ts), driven without a kernel: random
 * opens, writes, truncations, reservations, syncs and closes of one file, with commits, uploads and
 * evictions in between, against a buffer as reference. What the kernel writes itself is written to
 * the backing file. The node crashes between steps and is started on a copy of its disk, or loses
 * its cache and reads everything from the cloud. What is uploaded is what was committed.
 *
 * CACHEFS_SEED repeats a run; CACHEFS_ROUNDS sets the number of steps.
 */
import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempDisposableSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { configureLogging, loggerOf } from '../../src/base/log/logger.ts'
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
} from '../../src/base/native-calls.ts'
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../src/base/open-bits.ts'
import { Suspended, type WaitResult } from '../../src/base/suspended.ts'
import { PassthroughWriteMonitor } from '../../src/cache/passthrough/passthrough-write-monitor.ts'
import { ChunkReader } from '../../src/cache/read/chunk-reader.ts'
import { Evictor } from '../../src/cache/space/evictor.ts'
import type { Upload } from '../../src/cache/upload/upload-journal.ts'
import { UploadFinisher } from '../../src/cache/upload/upload-finisher.ts'
import type { WaitCondition } from '../../src/cache/waiting/wait-condition.ts'
import { GroupCommit } from '../../src/cache/write/group-commit.ts'
import { marksOf } from '../../src/volume/durable-marks.ts'
import { CHUNK_SIZE, LocalVolume } from '../fixtures/local-volume.ts'
import { Random } from '../fixtures/random.ts'

const STEPS = Number(process.env['CACHEFS_ROUNDS'] ?? 800)
const CALLER = { uid: 0, gid: 0, pid: process.pid }
const ROOT = 1
const NAME = Buffer.from('file')
const MOST_BYTES = 4 * CHUNK_SIZE
const MOST_HANDLES = 3
/** So that the file may be opened for passthrough, whose writers cannot be made to wait. */
const SETTINGS = { capacityBytes: 2 ** 42, freeFloorBytes: -(2 ** 42), passthroughFromBytes: 1 }
const NO_MODES = { append: false, killSetId: false, writeback: false }

interface Handle {
  handle: number
  flags: number
  /** The kernel reads and writes the backing file itself. */
  isPassthrough: boolean
}

/** A node on a directory, with the kernel's side of passthrough and a cloud in memory. */
class Node implements Disposable {
  readonly #local: LocalVolume
  readonly #cloud: Map<number, Buffer>
  readonly #groups: GroupCommit
  readonly #evictor: Evictor
  #backings = 0

  private constructor(local: LocalVolume, cloud: Map<number, Buffer>) {
    this.#local = local
    this.#cloud = cloud
    const { cache, committer } = local.thread
    this.#groups = new GroupCommit(cache, committer, loggerOf('CACHE'))
    this.#evictor = new Evictor(cache)
    cache.shared.passthrough = true
    // The kernel hands out an id for each backing file.
    cache.backings.open = () => ++this.#backings
    cache.backings.close = () => undefined
  }

  static async open(directory: string, cloud: Map<number, Buffer>): Promise<Node> {
    const mount = { connection: -1, id: 'model', isResumed: false }
    return new Node(await LocalVolume.open(directory, mount, SETTINGS), cloud)
  }

  get volume() {
    return this.#local.thread.volume
  }

  find(): { ino: number; size: number } {
    return this.volume.lookup(CALLER, ROOT, NAME)
  }

  /** Runs an operation as the main thread does, until it completes. */
  async run<T>(operation: () => T): Promise<T> {
    const results: WaitResult[] = []
    for (let round = 0; round < 100; round++) {
      try {
        return this.volume.run(results, operation)
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        await this.#resolve(error.condition as WaitCondition)
      }
    }
    throw new Error('the operation is still suspended')
  }

  async #resolve(condition: WaitCondition): Promise<void> {
    const { cache } = this.#local.thread
    if (condition.kind === 'verify') await cache.checks.verifyFile(condition.ino)
    else if (condition.kind === 'bytes') {
      this.#fetch(condition.ino, Math.floor(condition.offset / CHUNK_SIZE))
    } else if (condition.kind === 'chunks') {
      const { ino, first, last } = condition
      for (let index = first; index <= last; index++) this.#fetch(ino, index)
    } else throw new Error(`nothing here resolves ${condition.kind}`)
  }

  #fetch(ino: number, index: number): void {
    const { cache } = this.#local.thread
    const reference = cache.index.find(ino, index)
    if (reference === undefined || cache.chunks.find(ino, index)) return
    const data = this.#cloud.get(reference.id)
    assert.ok(data, `chunk ${reference.id} is not in the cloud`)
    cache.promotion.promote(ino, reference, data, Date.now())
  }

  /** Writes through the descriptor that the kernel has, without the node's knowledge. */
  writeBehind(ino: number, data: Buffer, offset: number): void {
    const fd = openSync(this.#local.thread.cache.files.path(ino), 'r+')
    writeSync(fd, data, 0, data.length, offset)
    closeSync(fd)
  }

  /** How the file is written, for the report. */
  stateOf(ino: number): string {
    const open = this.#local.thread.cache.shared.findOpen(ino)
    if (open === undefined) return 'closed'
    const map = open.mapped ? ' and mapped' : ''
    return open.writers === 'none' ? `${open.writeState}${map}` : `${open.writers}${map}`
  }

  get mayBeMapped(): boolean {
    return this.#local.thread.cache.shared.mappedInodes().length > 0
  }

  commit(): void {
    this.#groups.expedite()
  }

  /** What the node does every second. */
  async look(ino: number): Promise<void> {
    const { cache, committer, mapped } = this.#local.thread
    const failures: unknown[] = []
    const onFailure = (error: unknown): void => void failures.push(error)
    new PassthroughWriteMonitor(cache, committer, { onChange: () => undefined, onFailure }).look()
    await this.run(() => mapped.absorb(ino))
    committer.commit(ino)
    mapped.releaseFiles()
    mapped.settle(ino)
    assert.deepEqual(failures, [])
  }

  uploads(ino: number): Upload[] {
    return this.#local.thread.cache.uploads.of(ino, 0)
  }

  /**
   * Uploads all that is pending, and checks that it is what was committed. The kernel may have
   * written more since; then the next commit has a new chunk for it.
   */
  async upload(expected: ReadonlyMap<number, Buffer>): Promise<void> {
    const { engine, cache } = this.#local.thread
    const finisher = new UploadFinisher(cache, marksOf(engine, undefined), () => true)
    const reader = new ChunkReader(cache)
    for (const upload of cache.uploads.after(0, 100)) {
      const data = await reader.loadUpload(upload)
      if (data === undefined) continue
      const { id, ino } = upload
      const open = cache.shared.findOpen(ino)
      const isUntracked = open !== undefined && (open.writers !== 'none' || open.mapped)
      const wanted = expected.get(id)
      if (!isUntracked && wanted) assert.ok(data.equals(wanted), `upload of chunk ${id}`)
      this.#cloud.set(id, Buffer.from(data))
      await finisher.finish(upload, crc32(data))
    }
  }

  evict(ino: number): number {
    return this.#evictor.evictInode(ino)
  }

  [Symbol.dispose](): void {
    this.#local[Symbol.dispose]()
  }
}

/** The file as programs see it, and the node that has it. */
class Model {
  readonly #random: Random
  readonly #scratch: string
  readonly #cloud = new Map<number, Buffer>()
  /** Bytes of each committed chunk, by id. */
  readonly #expected = new Map<number, Buffer>()
  /** Steps that ended in each state. */
  readonly counts = new Map<string, number>()
  #homes = 0
  #node!: Node
  #ino = 0
  #content = Buffer.alloc(0)
  #handles: Handle[] = []

  constructor(scratch: string, random: Random) {
    this.#scratch = scratch
    this.#random = random
  }

  #home(): string {
    return join(this.#scratch, String(this.#homes))
  }

  async start(): Promise<void> {
    this.#node = await Node.open(this.#home(), this.#cloud)
    await this.#create()
  }

  stop(): void {
    this.#node[Symbol.dispose]()
  }

  async #create(): Promise<void> {
    const flags = this.#random.pick([O_WRONLY, O_RDWR]) | O_CREAT
    const made = await this.#node.run(() => {
      return this.#node.volume.create(CALLER, ROOT, NAME, 0o644, flags)
    })
    this.#ino = made.attributes.ino
    this.#content = Buffer.alloc(0)
    const { handle, backing, directIo } = made.opened
    this.#handles = [{ handle, flags, isPassthrough: backing !== undefined && directIo !== true }]
  }

  /** One random step; returns its name. */
  async step(): Promise<string> {
    const steps: Record<string, () => Promise<void> | void> = {
      open: () => this.#open(),
      close: () => this.#close(),
      write: () => this.#write(),
      'write again': () => this.#write(),
      'open again': () => this.#open(),
      map: () => this.#sometimes(() => this.#map()),
      'write through a map': () => this.#writeMapped(),
      truncate: () => this.#truncate(),
      allocate: () => this.#allocate(),
      sync: () => this.#sync(),
      commit: () => this.#node.commit(),
      upload: () => this.#node.upload(this.#expected),
      evict: () => void this.#node.evict(this.#ino),
      look: () => this.#node.look(this.#ino),
      replace: () => this.#sometimes(() => this.#replace()),
      crash: () => this.#sometimes(() => this.#crash()),
      'lose the cache': () => this.#sometimes(() => this.#loseCache()),
    }
    const name = this.#random.pick(Object.keys(steps))
    await steps[name]!()
    await this.check()
    this.#expect()
    this.#count()
    return name
  }

  /** For steps after which nobody has the file open. */
  async #sometimes(step: () => Promise<void>): Promise<void> {
    if (this.#random.below(4) === 0) await step()
  }

  /** Remembers the content of each chunk that was committed in this step. */
  #expect(): void {
    for (const { id, index, length } of this.#node.uploads(this.#ino)) {
      const start = index * CHUNK_SIZE
      const bytes = Buffer.from(this.#content.subarray(start, start + length))
      if (!this.#expected.has(id)) this.#expected.set(id, bytes)
    }
  }

  #count(): void {
    const state = this.#node.stateOf(this.#ino)
    this.counts.set(state, (this.counts.get(state) ?? 0) + 1)
  }

  async check(): Promise<void> {
    const node = this.#node
    const { size } = await node.run(() => node.volume.getattr(CALLER, this.#ino))
    assert.equal(size, this.#content.length, 'size')
    const found = Buffer.alloc(size)
    const read = await node.run(() => node.volume.read(CALLER, this.#ino, 0, 0, found))
    assert.equal(read, size)
    const wrong = found.findIndex((byte, at) => byte !== this.#content[at])
    assert.equal(wrong, -1, 'the first wrong byte')
  }

  #randomFlags(): number {
    const access = this.#random.pick([0, O_WRONLY, O_RDWR])
    return access | (access === 0 ? 0 : this.#random.pick([0, 0, O_APPEND, O_TRUNC]))
  }

  async #open(flags = this.#randomFlags()): Promise<void> {
    if (this.#handles.length >= MOST_HANDLES) return
    const opened = await this.#node.run(() => {
      return this.#node.volume.open(CALLER, this.#ino, flags, false)
    })
    if ((flags & O_TRUNC) !== 0) this.#content = Buffer.alloc(0)
    const isPassthrough = opened.backing !== undefined && opened.directIo !== true
    this.#handles.push({ handle: opened.handle, flags, isPassthrough })
  }

  async #close(): Promise<void> {
    if (this.#handles.length === 0) return
    const [{ handle }] = this.#handles.splice(this.#random.below(this.#handles.length), 1) as [
      Handle,
    ]
    await this.#node.run(() => this.#node.volume.flush(CALLER, this.#ino, handle))
    await this.#node.run(() => this.#node.volume.release(CALLER, this.#ino, handle))
  }

  async #write(): Promise<void> {
    const writers = this.#handles.filter(({ flags }) => (flags & O_ACCMODE) !== 0)
    if (writers.length === 0) return
    const { handle, flags, isPassthrough } = this.#random.pick(writers)
    const append = (flags & O_APPEND) !== 0
    const data = this.#random.bytes(
      1 + this.#random.below(this.#random.pick([100, 2 * CHUNK_SIZE])),
    )
    const offset = append ? this.#content.length : this.#random.below(this.#content.length + 1000)
    if (offset + data.length > MOST_BYTES) return
    if (isPassthrough) this.#node.writeBehind(this.#ino, data, offset)
    else {
      const write = (): number =>
        this.#node.volume.write(CALLER, this.#ino, handle, offset, data, { ...NO_MODES, append })
      assert.equal(await this.#node.run(write), data.length)
    }
    this.#put(data, offset)
  }

  /** A reader for which the kernel reads the file itself, and a program that maps it. */
  async #map(): Promise<void> {
    while (this.#handles.length > 0) await this.#close()
    this.#node.commit()
    await this.#open(0)
    await this.#open(O_RDWR)
    for (let count = this.#random.below(4); count > 0; count--) this.#writeMapped()
  }

  /** Only inside the file: a mapping has no bytes beyond its end. */
  #writeMapped(): void {
    const isOpen = this.#handles.some(({ flags }) => (flags & O_ACCMODE) === O_RDWR)
    if (!isOpen || !this.#node.mayBeMapped || this.#content.length === 0) return
    const offset = this.#random.below(this.#content.length)
    const most = Math.min(this.#content.length - offset, CHUNK_SIZE)
    const data = this.#random.bytes(1 + this.#random.below(most))
    this.#node.writeBehind(this.#ino, data, offset)
    this.#put(data, offset)
  }

  #put(data: Buffer, offset: number): void {
    const longer = Buffer.alloc(Math.max(this.#content.length, offset + data.length))
    this.#content.copy(longer)
    data.copy(longer, offset)
    this.#content = longer
  }

  async #truncate(): Promise<void> {
    const size = this.#random.pick([0, this.#random.below(MOST_BYTES), this.#content.length])
    await this.#node.run(() => this.#node.volume.setattr(CALLER, this.#ino, { size }))
    const cut = Buffer.alloc(size)
    this.#content.copy(cut)
    this.#content = cut
  }

  async #allocate(): Promise<void> {
    const writers = this.#handles.filter(({ flags }) => (flags & O_ACCMODE) !== 0)
    if (writers.length === 0) return
    const { handle } = this.#random.pick(writers)
    const punch = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE
    const mode = this.#random.pick([0, FALLOC_KEEP_SIZE, punch, FALLOC_ZERO_RANGE])
    const offset = this.#random.below(MOST_BYTES - 1)
    const length = 1 + this.#random.below(MOST_BYTES - offset)
    await this.#node.run(() => {
      this.#node.volume.fallocate(CALLER, this.#ino, handle, offset, length, mode)
    })
    const end = offset + length
    if ((mode & FALLOC_KEEP_SIZE) === 0 && end > this.#content.length)
      this.#put(Buffer.alloc(0), end)
    const { length: size } = this.#content
    if (mode === punch || mode === FALLOC_ZERO_RANGE)
      this.#content.fill(0, Math.min(offset, size), Math.min(end, size))
  }

  async #sync(): Promise<void> {
    if (this.#handles.length === 0) return
    const { handle } = this.#random.pick(this.#handles)
    await this.#node.run(() => this.#node.volume.fsync(CALLER, this.#ino, handle))
  }

  /** Removes the file, and begins another one. */
  async #replace(): Promise<void> {
    while (this.#handles.length > 0) await this.#close()
    await this.#node.run(() => this.#node.volume.unlink(CALLER, ROOT, NAME))
    await this.#create()
  }

  /** Everything is in the cloud, and the node keeps nothing but the names. */
  async #loseCache(): Promise<void> {
    while (this.#handles.length > 0) await this.#close()
    this.#node.commit()
    await this.#node.look(this.#ino)
    await this.#node.upload(this.#expected)
    const from = this.#home()
    this.#node[Symbol.dispose]()
    this.#homes += 1
    mkdirSync(join(this.#home(), 'nvme'), { recursive: true, mode: 0o700 })
    cpSync(join(from, 'cloud'), join(this.#home(), 'cloud'), { recursive: true })
    cpSync(join(from, 'nvme/volume.db'), join(this.#home(), 'nvme/volume.db'))
    rmSync(from, { recursive: true })
    this.#node = await Node.open(this.#home(), this.#cloud)
  }

  /** All processes die. What was written is there for the next node. */
  async #crash(): Promise<void> {
    const from = this.#home()
    this.#homes += 1
    cpSync(from, this.#home(), { recursive: true, filter: (path) => !path.endsWith('-shm') })
    this.#node[Symbol.dispose]()
    rmSync(from, { recursive: true })
    this.#handles = []
    this.#node = await Node.open(this.#home(), this.#cloud)
    assert.equal(this.#node.find().ino, this.#ino)
  }
}

test('a file has what was written, in every state and after every crash', async (t) => {
  configureLogging({ level: 'error' })
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using scratch = mkdtempDisposableSync(join(tmpdir(), 'cachefs-states-'))
  const model = new Model(scratch.path, random)
  await model.start()
  const last: string[] = []
  try {
    for (let step = 0; step < STEPS; step++) {
      last.push(await model.step())
    }
  } catch (error) {
    throw new Error(`seed ${random.seed}, after ${last.slice(-30).join(', ')}`, { cause: error })
  } finally {
    model.stop()
  }
  t.diagnostic([...model.counts].map(([state, count]) => `${state} ${count}`).join(', '))
})
