/**
 * Uploads that end at the same time are marked durable together, if possible in one transaction.
 * Each has the same result as if it were marked alone, whatever happened to its file or the
 * metadata meanwhile.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { FsError } from '../../src/base/fs-error.ts'
import { configureLogging } from '../../src/base/log/logger.ts'
import { CLEAN, PENDING } from '../../src/cache/state/chunk-table.ts'
import type { Upload } from '../../src/cache/upload/upload-journal.ts'
import { UploadFinisher, type DurableMarks } from '../../src/cache/upload/upload-finisher.ts'
import { findChunk, listTrash } from '../../src/metadata/chunk-rules.ts'
import type { VolumeThread } from '../../src/volume/volume-thread.ts'
import { CHUNK_SIZE, LocalVolume } from '../fixtures/local-volume.ts'

const ROOT = 1
const CALLER = { uid: 0, gid: 0, pid: process.pid, umask: 0 }
const HOW = { append: false, killSetId: false, writeback: false }
const O_WRONLY = 1

let directory: string
let volume: LocalVolume
let thread: VolumeThread
let finisher: UploadFinisher
/** Number of chunks in each call. */
let calls: number[]
let transactions: number
/** Chunk ids whose mark fails. */
let failing: Set<number>

before(() => configureLogging({ level: 'silent' }))
after(() => configureLogging({ level: 'info' }))
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cachefs-groups-'))
  volume = await LocalVolume.open(directory)
  ;({ thread } = volume)
  calls = []
  transactions = 0
  failing = new Set()
  finisher = new UploadFinisher(thread.cache, marks(), () => false)
})
afterEach(() => {
  volume[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

/** The marks of a single-node volume, counted, and failing on request. */
function marks(): DurableMarks {
  const check = (ids: readonly number[]): void => {
    calls.push(ids.length)
    if (ids.some((id) => failing.has(id))) throw new FsError('EIO', 'this mark is to fail')
  }
  return {
    durable: (ino, index, id, crc) => {
      check([id])
      return thread.engine.write('markDurable', ino, index, id, crc)
    },
    allDurable: (chunks) => {
      check(chunks.map(({ id }) => id))
      return thread.engine.write('markAllDurable', chunks)
    },
    discard: (ino, index, id) => thread.engine.write('discard', ino, index, id),
  }
}

function write(ino: number, handle: number, data: Buffer): void {
  thread.volume.write(CALLER, ino, handle, 0, data, HOW)
  thread.volume.flush(CALLER, ino, handle)
  thread.volume.release(CALLER, ino, handle)
}

/** Creates closed files of one or two chunks each. */
function makeFiles(count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    const name = Buffer.from(`f${at}`)
    const { attributes, opened } = thread.volume.create(CALLER, ROOT, name, 0o644, O_WRONLY)
    write(attributes.ino, opened.handle, Buffer.alloc(at % 2 === 0 ? 4096 : CHUNK_SIZE + 10, at))
    return attributes.ino
  })
}

function overwrite(ino: number): void {
  const { handle } = thread.volume.open(CALLER, ino, O_WRONLY, false)
  write(ino, handle, Buffer.from('later'))
}

function journal(): Upload[] {
  return thread.cache.uploads.after(0, 1000)
}

const crcOf = ({ id }: Upload): number => crc32(String(id))

/** Finishes uploads as if the cloud had stored them; returns the result of each. */
async function finish(uploads: readonly Upload[]): Promise<PromiseSettledResult<void>[]> {
  const { database } = thread.cache
  const transaction = database.transaction.bind(database)
  database.transaction = (section) => {
    transactions += 1
    return transaction(section)
  }
  try {
    return await Promise.allSettled(uploads.map((it) => finisher.finish(it, crcOf(it))))
  } finally {
    database.transaction = transaction
  }
}

function assertNoted(uploads: readonly Upload[]): void {
  for (const upload of uploads) {
    const { ino, index, id } = upload
    const reference = thread.engine.read(findChunk(ino, index))
    assert.deepEqual([reference?.id, reference?.durable], [id, 1])
    assert.equal(reference?.crc, crcOf(upload))
    assert.equal(thread.cache.chunks.find(ino, index)?.state, CLEAN)
    assert.equal(thread.cache.uncommitted.find(ino), undefined)
  }
}

function trashed(): number[] {
  return thread.engine.read(listTrash(0, 100)).map(({ id }) => id)
}

function unsyncedBytes(): number {
  return thread.cache.shared.counter('unsyncedBytes')
}

test('chunks of several files are noted in one transaction of each database', async () => {
  makeFiles(6)
  const uploads = journal()
  assert.equal(uploads.length, 9)
  assert.ok(unsyncedBytes() > 0)
  const ended = await finish(uploads)
  assert.ok(ended.every(({ status }) => status === 'fulfilled'))
  assert.deepEqual(calls, [9])
  assert.equal(transactions, 1)
  assertNoted(uploads)
  assert.deepEqual(journal(), [])
  assert.equal(unsyncedBytes(), 0)
  assert.deepEqual(trashed(), [])
  assert.equal(finisher.count, 0)
})

test('a file that was overwritten or removed meanwhile: its object goes, no other', async () => {
  const [kept, overwritten, removed] = makeFiles(5)
  const uploads = journal()
  overwrite(overwritten!)
  thread.volume.unlink(CALLER, ROOT, Buffer.from('f2'))
  thread.volume.forget([[removed!, 1]])
  // group-commit.ts then purges the inode.
  thread.engine.write('purgeOrphans', [removed!])
  const gone = uploads.filter(({ ino, index }) => {
    return (ino === overwritten && index === 0) || !thread.cache.index.exists(ino)
  })
  assert.equal(gone.length, 2)
  await finish(uploads)
  const held = uploads.filter((upload) => !gone.includes(upload))
  assert.ok(held.some(({ ino }) => ino === kept))
  assertNoted(held.filter(({ ino }) => ino !== overwritten))
  assert.deepEqual(
    trashed(),
    gone.map(({ id }) => id),
  )
  const left = journal()
  assert.deepEqual(
    left.map(({ ino, index }) => [ino, index]),
    [[overwritten, 0]],
  )
  assert.equal(thread.cache.chunks.find(overwritten!, 0)?.state, PENDING)
  // The rest of the removed file is deleted later, not by the uploader.
  const isCounted = (): boolean => unsyncedBytes() === thread.cache.chunks.totals().unsynced
  assert.ok(isCounted())
  await finish(left)
  assertNoted(left)
  assert.ok(isCounted())
})

test('one whose mark fails stays in the journal, the others are noted', async () => {
  makeFiles(4)
  const uploads = journal()
  const bad = uploads[2]!
  failing.add(bad.id)
  const ended = await finish(uploads)
  assert.deepEqual(
    ended.map(({ status }) => status === 'rejected'),
    uploads.map((upload) => upload === bad),
  )
  assert.deepEqual(calls, [uploads.length, ...uploads.map(() => 1)])
  assertNoted(uploads.filter(({ ino }) => ino !== bad.ino))
  assert.deepEqual(journal(), [bad])
  assert.deepEqual(trashed(), [])
  failing.clear()
  await finish([bad])
  assertNoted([bad])
  assert.equal(unsyncedBytes(), 0)
})

test('a failure after the marks: done again, and no object that is referred to goes', async () => {
  makeFiles(4)
  const uploads = journal()
  const { uploads: table } = thread.cache
  const endUpload = table.end.bind(table)
  let failures = 0
  table.end = (upload) => {
    if (upload.seq !== uploads[1]!.seq || ++failures > 2) return endUpload(upload)
    throw new FsError('ENOSPC', 'no room for the database')
  }
  const ended = await finish(uploads)
  assert.deepEqual(
    ended.map(({ status }) => status),
    uploads.map((_, at) => (at === 1 ? 'rejected' : 'fulfilled')),
  )
  assert.deepEqual(journal(), [uploads[1]])
  await finish(uploads)
  assertNoted(uploads)
  assert.deepEqual(trashed(), [])
  assert.equal(unsyncedBytes(), 0)
})

test('nobody who waits for an upload waits for others to end', async () => {
  makeFiles(2)
  const uploads = journal()
  const noting = finish(uploads)
  assert.equal(finisher.count, uploads.length)
  finisher.expedite()
  // Turns of the event loop end long before the pause.
  for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
  assert.equal(finisher.count, 0)
  await noting
  finisher = new UploadFinisher(thread.cache, marks(), () => true)
  overwrite(uploads[0]!.ino)
  const again = finish(journal())
  for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
  assert.equal(finisher.count, 0)
  await again
})
