/**
 * Files under `-nvme` are removed, truncated or replaced: a backing file shorter than a chunk never
 * yields data. Durable chunks are fetched from the cloud again. A lost chunk is EIO for exactly its
 * range, is never uploaded, and is reported until the file has other content.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Ext4Disk } from '../fixtures/ext4-disk.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Random } from '../fixtures/random.ts'

const CHUNK = 1024 * 1024
const SIZE = 2 * CHUNK + CHUNK / 2
const FLAGS = ['-chunk-size', '1']

/** Path of the backing file of a file of the mount. */
function backingFile(home: ClientHome, name: string): string {
  const { ino } = fs.statSync(join(home.mount, name))
  return join(home.nvme, 'data', (ino % 256).toString(16).padStart(2, '0'), String(ino))
}

/** Kinds of damage that shorten the file. */
const LOSSES: Record<string, (path: string) => void> = {
  removed: (path) => fs.rmSync(path),
  emptied: (path) => fs.truncateSync(path, 0),
  cut: (path) => fs.truncateSync(path, CHUNK + 10),
}

const DAMAGES: typeof LOSSES = {
  ...LOSSES,
  replaced: (path) => {
    const { size } = fs.statSync(path)
    fs.rmSync(path)
    fs.writeFileSync(path, Buffer.alloc(size))
  },
  zeroed: (path) => fs.writeFileSync(path, Buffer.alloc(fs.statSync(path).size)),
}

/** Makes uploads fail by replacing their folder with a file; returns the undo function. */
function refuseUploads(home: ClientHome): () => void {
  const chunks = join(home.cloud, 'chunks')
  fs.renameSync(chunks, `${chunks}-away`)
  fs.writeFileSync(chunks, '')
  return () => {
    fs.rmSync(chunks)
    fs.renameSync(`${chunks}-away`, chunks)
  }
}

async function fromApi(client: ClientProcess, name: string): Promise<Buffer> {
  const response = await client.fetch(`${client.api}/api/files/${name}`)
  return Buffer.from(await response.arrayBuffer())
}

/** Reads a range of a file of the mount, past the kernel's page cache. */
function partOf(path: string, offset: number, length: number): Buffer {
  const fd = fs.openSync(path, 'r')
  try {
    const data = Buffer.alloc(length)
    return data.subarray(0, fs.readSync(fd, data, 0, length, offset))
  } finally {
    fs.closeSync(fd)
  }
}

interface Missing {
  files: { path: string; missingBytes: number; reason: string | null; durableSize: number | null }[]
}

async function missingOf(client: ClientProcess): Promise<Missing['files']> {
  const response = await client.fetch(`${client.api}/api/missing`)
  return ((await response.json()) as Missing).files
}

test('what the cloud has comes back', async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  const flags = [...FLAGS, '-passthrough', 'always']
  const contents = new Map(Object.keys(DAMAGES).map((name) => [name, random.bytes(SIZE)]))
  const write = async (client: ClientProcess, prefix: string): Promise<string[]> => {
    for (const [name, data] of contents) fs.writeFileSync(join(home.mount, prefix + name), data)
    await client.act('wait', '/')
    return [...contents.keys()].map((name) => backingFile(home, prefix + name))
  }
  const first = await ClientProcess.start(home, { flags })
  const paths = await write(first, '')
  assert.equal(await first.stop(), 0)
  Object.values(DAMAGES).forEach((damage, at) => damage(paths[at]!))
  const second = await ClientProcess.start(home, { flags })
  for (const [name, data] of contents) {
    assert.ok(fs.readFileSync(join(home.mount, name)).equals(data), `${name}, by the mount`)
    assert.ok((await fromApi(second, name)).equals(data), `${name}, by the API`)
  }
  // The same while the node runs; damage that keeps the length is detected by the API or a scrub.
  const others = await write(second, 'running-')
  Object.values(DAMAGES).forEach((damage, at) => damage(others[at]!))
  for (const [name, data] of contents) {
    assert.ok((await fromApi(second, `running-${name}`)).equals(data), name)
    const path = join(home.mount, `running-${name}`)
    assert.ok(fs.readFileSync(path).equals(data), `${name}, by the mount`)
  }
  assert.deepEqual(await missingOf(second), [])
  assert.equal((await second.status())['status'], 'ok')
  const warnings = second.log.join('').match(/fetched from the cloud again/g) ?? []
  assert.ok(warnings.length >= 2 * contents.size, second.log.join(''))
  assert.equal(await second.stop(), 0)
})

for (const when of ['running', 'stopped']) {
  test(`what only the node had is lost, and named: ${when}`, async () => {
    using home = new ClientHome()
    const before = new Random(1).bytes(SIZE)
    const after = new Random(2).bytes(SIZE)
    let client = await ClientProcess.start(home, { flags: FLAGS })
    const names = Object.keys(LOSSES)
    for (const name of names) fs.writeFileSync(join(home.mount, name), before)
    await client.act('wait', '/')
    const objects = fs.readdirSync(join(home.cloud, 'chunks'), { recursive: true }).length
    const takeUploads = refuseUploads(home)
    for (const name of names) fs.writeFileSync(join(home.mount, name), after)
    const response = await client.fetch(`${client.api}/api/receipt/cut`)
    assert.equal(((await response.json()) as { durable: boolean }).durable, false)
    const paths = names.map((name) => backingFile(home, name))
    if (when === 'stopped') assert.equal(await client.stop(), 0)
    Object.values(LOSSES).forEach((loss, at) => loss(paths[at]!))
    takeUploads()
    if (when !== 'running') client = await ClientProcess.start(home, { flags: FLAGS })

    for (const name of names) {
      await assert.rejects(client.act('wait', `/${name}`), new RegExp(`EIO: /${name} .*lost`))
      const path = join(home.mount, name)
      const kept = name === 'cut' ? 1 : 0
      assert.ok(partOf(path, 0, kept * CHUNK).equals(after.subarray(0, kept * CHUNK)), name)
      for (let at = kept; at * CHUNK < SIZE; at++) {
        if (when === 'running') continue
        assert.throws(() => partOf(path, at * CHUNK, 100), { code: 'EIO' }, `${name} ${at}`)
      }
      const range = { headers: { range: `bytes=${SIZE - 100}-${SIZE - 1}` } }
      const tail = client.fetch(`${client.api}/api/files/${name}`, range)
      await assert.rejects(async () => {
        const answer = await tail
        assert.equal(answer.ok, true, await answer.text())
        await answer.arrayBuffer()
      }, name)
    }
    const missing = await missingOf(client)
    assert.deepEqual(missing.map(({ path }) => path).sort(), names.map((name) => `/${name}`).sort())
    for (const { path, missingBytes, reason, durableSize } of missing) {
      assert.equal(missingBytes, path === '/cut' ? SIZE - CHUNK : SIZE, path)
      assert.match(reason ?? '', /was (removed|cut to)/, path)
      assert.equal(durableSize, SIZE, path)
    }
    await eventually('health is degraded', async () => {
      return (await client.status())['status'] === 'degraded'
    })
    // Only one chunk of the new version was intact.
    const now = fs.readdirSync(join(home.cloud, 'chunks'), { recursive: true }).length
    assert.equal(now, objects + 1)
    for (const name of names) {
      const url = `${client.api}/api/restore/${name}`
      assert.equal((await client.fetch(url, { method: 'POST' })).status, 200, name)
      assert.ok(fs.readFileSync(join(home.mount, name)).equals(before), name)
      await client.act('wait', `/${name}`)
    }
    assert.deepEqual(await missingOf(client), [])
    fs.writeFileSync(join(home.mount, 'cut'), after)
    await client.act('wait', '/')
    assert.ok((await fromApi(client, 'cut')).equals(after))
    assert.equal(await client.stop(), 0)
  })
}

test('a hole at the end of a file is no loss', async () => {
  using home = new ClientHome()
  let client = await ClientProcess.start(home, { flags: FLAGS })
  const contents = new Map<string, Buffer>()
  const make = (name: string, steps: (fd: number) => unknown): void => {
    const fd = fs.openSync(join(home.mount, name), 'w+')
    steps(fd)
    const data = Buffer.alloc(SIZE)
    assert.deepEqual([fs.fstatSync(fd).size, fs.readSync(fd, data, 0, SIZE, 0)], [SIZE, SIZE], name)
    contents.set(name, data)
    fs.closeSync(fd)
  }
  const grow = (fd: number): void => {
    fs.ftruncateSync(fd, SIZE)
  }
  const text = (fd: number, at: number): number => fs.writeSync(fd, 'some text', at)
  const makeAll = (prefix: string): void => {
    make(`${prefix}grown`, (fd) => {
      text(fd, 0)
      grow(fd)
    })
    make(`${prefix}empty`, grow)
    for (const at of [5, CHUNK + 5]) {
      make(`${prefix}hole-${at}`, (fd) => {
        grow(fd)
        text(fd, at)
      })
    }
    make(`${prefix}shrunk`, (fd) => {
      fs.writeSync(fd, Buffer.alloc(SIZE, 1))
      fs.ftruncateSync(fd, 10)
      grow(fd)
    })
    make(`${prefix}far`, (fd) => text(fd, SIZE - 9))
  }
  makeAll('durable-')
  await client.act('wait', '/')
  const takeUploads = refuseUploads(home)
  makeAll('')
  // Overwritten when durable, then truncated after its commit.
  fs.truncateSync(join(home.mount, 'durable-grown'), CHUNK / 2)
  fs.truncateSync(join(home.mount, 'durable-grown'), SIZE)
  contents.get('durable-grown')!.fill(0, CHUNK / 2)
  const check = (): void => {
    for (const [name, data] of contents) {
      assert.ok(fs.readFileSync(join(home.mount, name)).equals(data), name)
    }
  }
  for (const end of ['stop', 'kill'] as const) {
    await client[end]()
    client = await ClientProcess.start(home, { flags: FLAGS })
    check()
  }
  takeUploads()
  await client.act('wait', '/')
  await client.act('evict', '/')
  check()
  assert.deepEqual(await missingOf(client), [])
  assert.doesNotMatch(client.log.join(''), /fetched from|lost/)
  assert.equal(await client.stop(), 0)
})

/** Damages a part of every page except the first. */
function damagePages(path: string): void {
  const fd = fs.openSync(path, 'r+')
  for (let at = 1; at < fs.fstatSync(fd).size / 4096; at++) {
    fs.writeSync(fd, Buffer.alloc(2048, 0xa5), 0, 2048, at * 4096)
  }
  fs.closeSync(fd)
}

test('a damaged node.db is quarantined and rebuilt', async () => {
  using home = new ClientHome()
  const random = new Random(3)
  const contents = new Map(['durable', 'pending', 'both'].map((name) => [name, random.bytes(SIZE)]))
  const write = (...names: string[]): void => {
    for (const name of names) fs.writeFileSync(join(home.mount, name), contents.get(name)!)
  }
  const first = await ClientProcess.start(home, { flags: FLAGS })
  write('durable', 'both')
  await first.act('wait', '/')
  const takeUploads = refuseUploads(home)
  write('pending')
  fs.writeFileSync(join(home.mount, 'gone'), 'soon')
  const fd = fs.openSync(join(home.mount, 'both'), 'r+')
  fs.writeSync(fd, 'changed', CHUNK)
  contents.get('both')!.write('changed', CHUNK)
  fs.closeSync(fd)
  const gone = backingFile(home, 'gone')
  assert.equal(await first.stop(), 0)
  takeUploads()
  fs.rmSync(gone)
  damagePages(join(home.nvme, 'node.db'))
  const client = await ClientProcess.start(home, { flags: FLAGS })
  const isKept = fs.readdirSync(home.nvme).some((name) => name.startsWith('node.db.damaged-'))
  assert.ok(isKept)
  for (const [name, data] of contents) {
    assert.ok(fs.readFileSync(join(home.mount, name)).equals(data), name)
    await client.act('wait', `/${name}`)
  }
  await assert.rejects(client.act('wait', '/gone'), /EIO: \/gone .*lost/)
  assert.throws(() => fs.readFileSync(join(home.mount, 'gone')), { code: 'EIO' })
  assert.deepEqual(
    (await missingOf(client)).map(({ path, missingBytes }) => [path, missingBytes]),
    [['/gone', 4]],
  )
  fs.rmSync(join(home.mount, 'gone'))
  await client.act('evict', '/')
  for (const [name, data] of contents) assert.ok((await fromApi(client, name)).equals(data), name)
  assert.equal(await client.stop(), 0)
})

test('damaged pages of volume.db show in health and log', async () => {
  using home = new ClientHome()
  const first = await ClientProcess.start(home, { flags: FLAGS })
  for (let at = 0; at < 500; at++) {
    fs.symlinkSync('t'.repeat(50), join(home.mount, `${'n'.repeat(150)}-${at}`))
  }
  assert.equal(await first.stop(), 0)
  const path = join(home.nvme, 'volume.db')
  const pages = fs.statSync(path).size / 4096
  const fd = fs.openSync(path, 'r+')
  for (let at = pages - 5; at < pages; at++)
    fs.writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, at * 4096)
  fs.closeSync(fd)
  const client = await ClientProcess.start(home, { flags: FLAGS })
  const health = async (): Promise<string> =>
    await (await client.fetch(`${client.api}/api/health`)).text()
  assert.match(await health(), /degraded.*volume\.db has been damaged/)
  const isReplaced = /node\.db has been replaced or removed/
  assert.doesNotMatch(await health(), isReplaced)
  for (const [from, to] of [
    ['node.db', 'away'],
    ['away', 'node.db'],
  ] as const) {
    fs.renameSync(join(home.nvme, from), join(home.nvme, to))
    assert.equal(isReplaced.test(await health()), to === 'away')
  }
  assert.match(client.log.join(''), /volume\.db is damaged/)
  assert.equal(await client.stop(), 0)
})

/** Simulates a bit error of the disk. */
function flipByte(path: string, at: number): void {
  const fd = fs.openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  fs.readSync(fd, byte, 0, 1, at)
  fs.writeSync(fd, Buffer.of(byte[0]! ^ 1), 0, 1, at)
  fs.closeSync(fd)
}

async function metric(client: ClientProcess, name: string): Promise<number> {
  const text = await (await client.fetch(`${client.api}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
}

test('rotten bytes are not given away, and heal', async () => {
  using home = new ClientHome()
  const data = new Random(4).bytes(SIZE)
  const client = await ClientProcess.start(home, { flags: FLAGS })
  for (const name of ['read', 'scrubbed']) fs.writeFileSync(join(home.mount, name), data)
  await client.act('wait', '/')
  flipByte(backingFile(home, 'read'), CHUNK + 7)
  assert.ok((await fromApi(client, 'read')).equals(data))
  assert.ok(fs.readFileSync(backingFile(home, 'read')).equals(data))
  assert.ok((await metric(client, 'cachefs_damaged_chunks_total')) >= 1)
  flipByte(backingFile(home, 'scrubbed'), SIZE - 1)
  await eventually('it was found and healed', () => {
    return fs.readFileSync(backingFile(home, 'scrubbed')).equals(data)
  })
  assert.equal(await metric(client, 'cachefs_damaged_chunks_total'), 2)
  assert.ok((await metric(client, 'cachefs_scrubbed_chunks_total')) > 0)
  assert.deepEqual(await missingOf(client), [])
  assert.equal(await client.stop(), 0)
})

test('bytes that rot below the page cache are found by the scrub, and heal', async () => {
  using disk = new Ext4Disk(64)
  using home = new ClientHome()
  const nvme = join(disk.path, 'nvme')
  const data = new Random(8).bytes(300_000)
  const client = await ClientProcess.start(home, { flags: [...FLAGS, '-nvme', nvme] })
  fs.writeFileSync(join(home.mount, 'file'), data)
  await client.act('wait', '/')
  const { ino } = fs.statSync(join(home.mount, 'file'))
  const path = join(nvme, 'data', (ino % 256).toString(16).padStart(2, '0'), String(ino))
  syncFile(path)
  const place = (): number => fs.readFileSync(disk.image).indexOf(data.subarray(4096, 8192))
  const at = place()
  assert.ok(at > 0)
  flipByte(disk.image, at + 7)
  // The page cache still has the bytes as they were.
  assert.ok(fs.readFileSync(path).equals(data))
  await eventually('it was found', async () => {
    return (await metric(client, 'cachefs_damaged_chunks_total')) === 1
  })
  await eventually('it was healed', () => {
    if (!fs.existsSync(path)) return false
    syncFile(path)
    return fs.readFileSync(path).equals(data) && place() > 0
  })
  assert.equal(await client.stop(), 0)
})

function syncFile(path: string): void {
  const fd = fs.openSync(path, 'r')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}

test('a chunk that a truncate shortened has a checksum', async () => {
  using home = new ClientHome()
  const data = new Random(9).bytes(SIZE)
  const short = data.subarray(0, CHUNK + 1000)
  const client = await ClientProcess.start(home, { flags: FLAGS })
  const isRight = async (name: string): Promise<boolean> =>
    (await fromApi(client, name)).equals(short)
  for (const name of ['after', 'before', 'fetched']) fs.writeFileSync(join(home.mount, name), data)
  await client.act('wait', '/')
  flipByte(backingFile(home, 'before'), CHUNK + 10)
  for (const name of ['after', 'before', 'fetched']) {
    fs.truncateSync(join(home.mount, name), short.length)
  }
  await client.act('evict', '/fetched')
  await client.act('warm', '/fetched')
  for (const name of ['after', 'fetched']) flipByte(backingFile(home, name), CHUNK + 10)
  for (const name of ['after', 'before', 'fetched']) assert.ok(await isRight(name), name)
  assert.equal(await metric(client, 'cachefs_damaged_chunks_total'), 3)
  assert.equal(await client.stop(), 0)
})

test('rotten bytes that wait for upload are kept, named, and not uploaded', async () => {
  using home = new ClientHome()
  const before = new Random(5).bytes(SIZE)
  const data = new Random(6).bytes(SIZE)
  let client = await ClientProcess.start(home, { flags: FLAGS })
  fs.writeFileSync(join(home.mount, 'file'), before)
  await client.act('wait', '/')
  const takeUploads = refuseUploads(home)
  fs.writeFileSync(join(home.mount, 'file'), data)
  await checksumsTaken(home, 3)
  const path = backingFile(home, 'file')
  flipByte(path, CHUNK + 7)
  await client.kill()
  takeUploads()
  client = await ClientProcess.start(home, { flags: FLAGS })
  await assert.rejects(client.act('wait', '/file'), /EIO: \/file .*CRC-32/)
  const [missing] = await missingOf(client)
  assert.deepEqual([missing?.path, missing?.missingBytes], ['/file', CHUNK])
  const kept = /kept in (\S+)$/.exec(missing?.reason ?? '')?.[1] ?? ''
  const rotten = Buffer.from(data.subarray(CHUNK, 2 * CHUNK))
  rotten[7]! ^= 1
  assert.ok(fs.readFileSync(kept).equals(rotten))
  const file = join(home.mount, 'file')
  assert.throws(() => partOf(file, CHUNK, 100), { code: 'EIO' })
  assert.ok(partOf(file, 0, CHUNK).equals(data.subarray(0, CHUNK)))
  assert.ok(partOf(file, 2 * CHUNK, CHUNK).equals(data.subarray(2 * CHUNK)))
  const url = `${client.api}/api/restore/file`
  assert.equal((await client.fetch(url, { method: 'POST' })).status, 200)
  assert.ok(fs.readFileSync(file).equals(before))
  assert.equal(await client.stop(), 0)
})

test('another file, or what is no file, is neither read nor waited for', async () => {
  using home = new ClientHome()
  const random = new Random(7)
  let client = await ClientProcess.start(home, { flags: FLAGS })
  const cold = random.bytes(CHUNK)
  fs.writeFileSync(join(home.mount, 'cold'), cold)
  await client.act('wait', '/')
  await client.act('evict', '/cold')
  const takeUploads = refuseUploads(home)
  fs.writeFileSync(join(home.mount, 'small'), random.bytes(100))
  for (const name of ['one', 'two']) fs.writeFileSync(join(home.mount, name), random.bytes(CHUNK))
  await checksumsTaken(home, 3)
  const [one, two, small] = ['one', 'two', 'small'].map((name) => backingFile(home, name))
  fs.renameSync(one!, `${one!}.other`)
  fs.renameSync(two!, one!)
  fs.renameSync(`${one!}.other`, two!)
  makePipe(small!)
  takeUploads()
  const lost = ['one', 'small', 'two']
  for (const name of lost) {
    await assert.rejects(client.act('wait', `/${name}`), /EIO/)
    assert.equal((await client.fetch(`${client.api}/api/files/${name}`)).status, 502)
    assert.throws(() => fs.readFileSync(join(home.mount, name)), { code: 'EIO' })
  }
  const { ino } = fs.statSync(join(home.mount, 'cold'))
  const folder = join(home.cloud, 'chunks', (ino % 256).toString(16).padStart(2, '0'), String(ino))
  const object = join(folder, fs.readdirSync(folder)[0]!)
  const undo = makeDirectory(object)
  assert.throws(() => fs.readFileSync(join(home.mount, 'cold')), { code: 'EIO' })
  const health = async (): Promise<string> => JSON.stringify((await client.status())['problems'])
  assert.match(
    await health(),
    new RegExp(`1 object in .*could not be read.*${relative(home.cloud, object)}`),
  )
  undo()
  assert.ok(fs.readFileSync(join(home.mount, 'cold')).equals(cold))
  assert.doesNotMatch(await health(), /object|uploads/)
  await client.kill()
  makePipe(join(home.nvme, 'open-inodes'))
  makePipe(join(home.nvme, '.passthrough'))
  client = await ClientProcess.start(home, { flags: FLAGS })
  assert.deepEqual((await missingOf(client)).map(({ path }) => path).sort(), [
    ...lost.map((name) => `/${name}`),
  ])
  const { damagedEntries } = (await client.status())['cache'] as { damagedEntries: number }
  assert.equal(damagedEntries, fs.readdirSync(join(home.nvme, 'damaged')).length)
  assert.equal(await client.stop(), 0)
})

function makePipe(path: string): void {
  fs.rmSync(path, { force: true })
  execFileSync('mkfifo', ['-m', '600', path])
}

/** Returns the undo function. */
function makeDirectory(path: string): () => void {
  fs.renameSync(path, `${path}.away`)
  fs.mkdirSync(path)
  return () => {
    fs.rmdirSync(path)
    fs.renameSync(`${path}.away`, path)
  }
}

/** Resolves when this many pending chunks have a checksum. */
async function checksumsTaken(home: ClientHome, count: number): Promise<void> {
  const database = new DatabaseSync(join(home.nvme, 'node.db'), { readOnly: true })
  const sql = 'SELECT COUNT(crc) AS known FROM upload'
  await eventually('checksums are taken', () => database.prepare(sql).get()?.['known'] === count)
  database.close()
}

test('bytes after the end of a backing file are not data when the file grows', async () => {
  for (const mode of ['off', 'auto']) {
    using home = new ClientHome()
    const client = await ClientProcess.start(home, { flags: [...FLAGS, '-passthrough', mode] })
    const growths: Record<string, (path: string) => void> = {
      truncated: (path) => fs.truncateSync(path, 9000),
      written: (path) => writeAt(path, Buffer.from('end'), 8997),
      appended: (path) => {
        fs.appendFileSync(path, 'x')
        fs.truncateSync(path, 9000)
      },
    }
    for (const [name, grow] of Object.entries(growths)) {
      const path = join(home.mount, name)
      const start = Buffer.alloc(100, 1)
      fs.writeFileSync(path, start)
      await client.act('wait', `/${name}`)
      fs.appendFileSync(backingFile(home, name), Buffer.alloc(5000, 7))
      grow(path)
      const data = fs.readFileSync(path)
      assert.equal(data.length, 9000)
      assert.ok(data.subarray(0, 100).equals(start))
      assert.ok(!data.includes(7), `${name}, passthrough ${mode}`)
      assert.ok((await fromApi(client, name)).equals(data))
    }
    assert.equal(await client.stop(), 0)
  }
})

function writeAt(path: string, data: Uint8Array, position: number): void {
  const fd = fs.openSync(path, 'r+')
  try {
    fs.writeSync(fd, data, 0, data.length, position)
  } finally {
    fs.closeSync(fd)
  }
}
