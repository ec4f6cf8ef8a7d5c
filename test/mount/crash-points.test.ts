/**
 * Crashes between any two steps of a change. The node's files are copied before and after each step
 * that writes to disk, and a node is started on every copy. Until the change is acknowledged, its
 * file is as before, as after, or partly changed; from then on it is as after. Pending uploads have
 * the same content.
 */
import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { O_APPEND, O_RDWR, O_TRUNC, O_WRONLY } from '../../src/base/open-bits.ts'
import { codeOf } from '../../src/base/fs-error.ts'
import { configureLogging, loggerOf } from '../../src/base/log/logger.ts'
import { ChunkReader } from '../../src/cache/read/chunk-reader.ts'
import { GroupCommit } from '../../src/cache/write/group-commit.ts'
import { UploadFinisher } from '../../src/cache/upload/upload-finisher.ts'
import { marksOf } from '../../src/volume/durable-marks.ts'
import type { VolumeThread } from '../../src/volume/volume-thread.ts'
import { CHUNK_SIZE, LocalVolume } from '../fixtures/local-volume.ts'
import { Random } from '../fixtures/random.ts'

const SMALL = 8259
const LARGE = 2 * CHUNK_SIZE + 20_000
const ROOT = 1
const NAME = Buffer.from('file')
const CALLER = { uid: 0, gid: 0, pid: process.pid }
const random = Random.fromEnvironment()

/** A node without a mount, whose table of open inodes survives it. */
class Node implements Disposable {
  readonly thread: VolumeThread
  readonly groups: GroupCommit
  readonly #volume: LocalVolume

  private constructor(volume: LocalVolume) {
    const { cache, committer } = volume.thread
    this.thread = volume.thread
    this.groups = new GroupCommit(cache, committer, loggerOf('CACHE'))
    this.#volume = volume
  }

  static async open(directory: string): Promise<Node> {
    const mount = { connection: -1, id: 'crash', isResumed: false }
    return new Node(await LocalVolume.open(directory, mount))
  }

  /** Content of the file; undefined: it does not exist. */
  content(): Buffer | undefined {
    const { volume } = this.thread
    try {
      const { ino, size } = volume.lookup(CALLER, ROOT, NAME)
      const data = Buffer.alloc(size)
      assert.equal(volume.read(CALLER, ino, 0, 0, data), size)
      return data
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return undefined
    }
  }

  /** Marks all pending uploads as durable. */
  async upload(): Promise<void> {
    const { engine, cache } = this.thread
    const finisher = new UploadFinisher(cache, marksOf(engine, undefined), () => true)
    const loader = new ChunkReader(cache)
    for (const upload of cache.uploads.after(0, 100)) {
      await finisher.finish(upload, crc32((await loader.loadUpload(upload))!))
    }
  }

  /** Asserts that pending uploads have the content that programs read. */
  async checkUploads(content: Buffer): Promise<void> {
    const { cache } = this.thread
    const loader = new ChunkReader(cache)
    for (const upload of cache.uploads.after(0, 100)) {
      if (cache.index.find(upload.ino, upload.index)?.id !== upload.id) continue
      const start = upload.index * CHUNK_SIZE
      const data = await loader.loadUpload(upload)
      assert.ok(data?.equals(content.subarray(start, start + upload.length)), 'what is to be sent')
    }
  }

  [Symbol.dispose](): void {
    this.#volume[Symbol.dispose]()
  }
}

/** Opens, writes and closes the file, as a program does. */
function write(node: Node, flags: number, data: Buffer, offset = 0): void {
  const { volume } = node.thread
  const { ino } = volume.lookup(CALLER, ROOT, NAME)
  const { handle } = volume.open(CALLER, ino, flags, false)
  const how = { append: (flags & O_APPEND) !== 0, killSetId: false, writeback: false }
  volume.write(CALLER, ino, handle, offset, data, how)
  volume.flush(CALLER, ino, handle)
  volume.release(CALLER, ino, handle)
}

function truncate(node: Node, size: number): void {
  const { volume } = node.thread
  const { ino } = volume.lookup(CALLER, ROOT, NAME)
  const { handle } = volume.open(CALLER, ino, O_RDWR, false)
  volume.setattr(CALLER, ino, { size })
  volume.flush(CALLER, ino, handle)
  volume.release(CALLER, ino, handle)
}

function create(node: Node, data: Buffer): void {
  const { volume } = node.thread
  const { attributes, opened } = volume.create(CALLER, ROOT, NAME, 0o644, O_WRONLY)
  volume.release(CALLER, attributes.ino, opened.handle)
  write(node, O_WRONLY, data)
}

interface Change {
  run: (node: Node) => void
  /** Undefined: the file is removed. */
  result: Buffer | undefined
  /** Whether a crash may leave this content, in addition to the content before and after. */
  allows?: (found: Buffer) => boolean
}

const isPrefix = (found: Buffer, whole: Buffer): boolean =>
  found.equals(whole.subarray(0, found.length))

function resized(content: Buffer, size: number): Change {
  const result = Buffer.alloc(size)
  content.copy(result)
  return { run: (node) => truncate(node, size), result }
}

const CHANGES: Record<string, (content: Buffer) => Change> = {
  replaced: (content) => {
    const data = random.bytes(content.length)
    const run = (node: Node): void => write(node, O_WRONLY | O_TRUNC, data)
    return { run, result: data, allows: (found) => isPrefix(found, data) }
  },
  overwritten: (content) => {
    const data = random.bytes(content.length / 2)
    const offset = Math.floor(content.length / 3)
    const result = Buffer.from(content)
    data.copy(result, offset)
    const isMix = (found: Buffer): boolean =>
      found.length === content.length &&
      found.every((byte, at) => byte === content[at] || byte === result[at])
    return { run: (node) => write(node, O_RDWR, data, offset), result, allows: isMix }
  },
  appended: (content) => {
    const data = random.bytes(content.length)
    const result = Buffer.concat([content, data])
    const allows = (found: Buffer): boolean =>
      found.length >= content.length && isPrefix(found, result)
    return { run: (node) => write(node, O_WRONLY | O_APPEND, data), result, allows }
  },
  shortened: (content) => resized(content, Math.floor(content.length / 2)),
  extended: (content) => resized(content, content.length + 1000),
  'extended by chunks': (content) => resized(content, content.length + 2 * CHUNK_SIZE),
  emptied: (content) => resized(content, 0),
  removed: () => ({
    run: ({ thread }) => thread.volume.unlink(CALLER, ROOT, NAME),
    result: undefined,
  }),
}

/** An uncommitted file has at most one chunk. */
const SIZES: Record<string, number[]> = { closed: [SMALL], committed: [SMALL, LARGE] }

/** State of the content before the change. */
const STATES: Record<string, (node: Node) => Promise<void> | void> = {
  closed: () => undefined,
  committed: (node) => node.groups.expedite(),
  uploaded: async (node) => {
    node.groups.expedite()
    await node.upload()
  },
  'overwritten since its commit': (node) => {
    node.groups.expedite()
    const content = node.content()!
    write(node, O_RDWR, content.subarray(0, 1))
  },
}

/** Calls `look` before and after every write to disk. */
function watch({ thread }: Node, look: () => void): void {
  const { engine, cache } = thread
  let depth = 0
  const around = <T extends object>(owner: T, name: keyof T): void => {
    const original = (owner[name] as (...args: unknown[]) => unknown).bind(owner)
    owner[name] = ((...args: unknown[]) => {
      if (depth++ === 0) look()
      try {
        return original(...args)
      } finally {
        if (--depth === 0) look()
      }
    }) as T[keyof T]
  }
  around(engine, 'write')
  around(cache.database, 'transaction')
  const files = [
    'write',
    'truncate',
    'savePreImage',
    'savePreImageOfFile',
    'remove',
    'punch',
  ] as const
  for (const name of files) around(cache.files, name)
}

async function check(home: string, step: string, isFine: (found?: Buffer) => boolean) {
  using node = await Node.open(home)
  const found = node.content()
  assert.ok(isFine(found), `${step}: ${found?.length ?? 'no'} bytes`)
  if (found) await node.checkUploads(found)
}

/** The files of a node's folder, by relative path. */
type Image = ReadonlyMap<string, Buffer>

function imageOf(nvme: string): Image {
  const paths = readdirSync(nvme, { recursive: true, encoding: 'utf8' })
  const files = paths.filter((path) => !path.endsWith('-shm') && isFile(join(nvme, path)))
  return new Map(files.map((path) => [path, readFileSync(join(nvme, path))]))
}

function isFile(path: string): boolean {
  return lstatSync(path).isFile()
}

function isSame(one: Image, other: Image): boolean {
  if (one.size !== other.size) return false
  return [...one].every(([path, data]) => other.get(path)?.equals(data) === true)
}

/** Makes the folder contain exactly these files. */
function restore(nvme: string, image: Image): void {
  for (const path of readdirSync(nvme, { recursive: true, encoding: 'utf8' })) {
    if (isFile(join(nvme, path))) rmSync(join(nvme, path))
  }
  for (const [path, data] of image) writeFileSync(join(nvme, path), data, { mode: 0o600 })
}

/**
 * Runs a change; returns the disk contents after each step, until and since it was acknowledged.
 */
async function stepsOf(
  home: string,
  content: Buffer,
  settle: (node: Node) => Promise<void> | void,
  change: Change,
): Promise<{ before: Image[]; since: Image[] }> {
  using node = await Node.open(home)
  create(node, content)
  await settle(node)
  const images: Image[] = []
  watch(node, () => {
    const image = imageOf(join(home, 'nvme'))
    const last = images.at(-1)
    if (!last || !isSame(last, image)) images.push(image)
  })
  change.run(node)
  const acknowledged = images.length
  images.push(imageOf(join(home, 'nvme')))
  node.groups.expedite()
  return { before: images.slice(0, acknowledged), since: images.slice(acknowledged) }
}

async function crashEverywhere(home: string, state: string, kind: string, size: number) {
  const content = random.bytes(size)
  const change = CHANGES[kind]!(content)
  const { before: cutOff, since } = await stepsOf(home, content, STATES[state]!, change)
  const isAfter = (found?: Buffer): boolean => {
    return found === undefined || change.result === undefined
      ? found === change.result
      : found.equals(change.result)
  }
  const mayBe = (found?: Buffer): boolean => {
    if (isAfter(found)) return true
    return found !== undefined && (found.equals(content) || change.allows?.(found) === true)
  }
  for (const [step, image] of [...cutOff, ...since].entries()) {
    restore(join(home, 'nvme'), image)
    const isAcknowledged = step >= cutOff.length
    const what = `step ${step}${isAcknowledged ? ', acknowledged' : ''}`
    await check(home, what, isAcknowledged ? isAfter : mayBe)
  }
}

before(() => configureLogging({ level: 'silent' }))
after(() => configureLogging({ level: 'info' }))

for (const state of Object.keys(STATES)) {
  suite(`a file, ${state}, that is`, () => {
    for (const kind of Object.keys(CHANGES)) {
      for (const size of SIZES[state] ?? [LARGE]) {
        test(`${kind} (${size} bytes)`, async (t) => {
          t.diagnostic(`CACHEFS_SEED=${random.seed}`)
          const home = mkdtempSync(join(tmpdir(), 'cachefs-crash-'))
          try {
            await crashEverywhere(home, state, kind, size)
          } finally {
            rmSync(home, { recursive: true, force: true })
          }
        })
      }
    }
  })
}

test('a node starts though a file that was mapped is gone', async () => {
  const home = mkdtempSync(join(tmpdir(), 'cachefs-crash-'))
  try {
    for (let start = 0; start < 2; start++) {
      using node = await Node.open(home)
      const { database, uncommitted } = node.thread.cache
      assert.deepEqual(uncommitted.mapped(), [])
      database.transaction(() => uncommitted.addMapped(4711))
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})
