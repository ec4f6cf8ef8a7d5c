/** Whole files: reading, writing, replacing, streams, ranges. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { collect } from '../../../src/filesystem/file-bytes.ts'
import { ContractTests } from './contract-tests.ts'

const BIG_BYTES = 700_000

export const contentTests = new ContractTests()

contentTests.add('text and bytes read back as written', async (files) => {
  await files.writeFile('/text', 'Grüße')
  assert.equal(await files.readFile('/text', 'utf8'), 'Grüße')
  const buffer = await files.readFile('/text')
  assert.ok(Buffer.isBuffer(buffer))
  assert.equal(buffer.toString(), 'Grüße')
  assert.equal(await files.readFile('/text', { encoding: 'hex' }), buffer.toString('hex'))
  await files.writeFile('/text', '00ff', 'hex')
  assert.deepEqual([...(await files.readFile('/text'))], [0, 255])
  await files.writeFile('/empty', '')
  assert.equal((await files.stat('/empty')).size, 0)
  assert.equal(await files.readFile('/empty', 'utf8'), '')
})

contentTests.add('a file larger than any buffer reads back', async (files) => {
  const data = randomBytes(BIG_BYTES)
  await files.writeFile('/big', data)
  assert.ok(data.equals(await files.readFile('/big')))
  const stats = await files.stat('/big')
  assert.equal(stats.size, BIG_BYTES)
  assert.ok(stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink())
  assert.ok(Math.abs(stats.mtimeMs - Date.now()) < 60_000)
  assert.ok(stats.mtime instanceof Date)
})

contentTests.add('ranges are exact', async (files) => {
  const data = randomBytes(BIG_BYTES)
  await files.writeFile('/big', data)
  const ranges = [
    [0, 0],
    [5, 9],
    [300_000, 600_000],
    [BIG_BYTES - 1, BIG_BYTES + 5],
  ] as const
  for (const [start, end] of ranges) {
    const got = await collect(files.content('/big', { start, end }))
    assert.ok(data.subarray(start, end + 1).equals(got), `${start} to ${end}`)
  }
  const tail = await collect(files.content('/big', { start: BIG_BYTES - 3 }))
  assert.ok(data.subarray(-3).equals(tail))
  const past = await collect(files.content('/big', { start: BIG_BYTES + 10 }))
  assert.equal(past.length, 0)
})

contentTests.add('a source may reuse one buffer for all its pieces', async (files) => {
  const expected = randomBytes(BIG_BYTES)
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const buffer = Buffer.alloc(100_000)
    for (let at = 0; at < expected.length; at += buffer.length) {
      yield buffer.subarray(0, expected.copy(buffer, 0, at))
    }
  }
  await files.writeFile('/written', pieces())
  assert.ok(expected.equals(await files.readFile('/written')), 'writeFile')
  await files.replace('/replaced', pieces())
  assert.ok(expected.equals(await files.readFile('/replaced')), 'replace')
})

contentTests.add('writes from iterables, appends, and obeys flags', async (files) => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one ')
    yield Buffer.from('two ')
  }
  await files.writeFile('/file', pieces())
  await files.appendFile('/file', 'three')
  assert.equal(await files.readFile('/file', 'utf8'), 'one two three')
  await files.writeFile('/file', ['a', 'b'])
  assert.equal(await files.readFile('/file', 'utf8'), 'ab')
  await files.appendFile('/made', 'by append')
  assert.equal(await files.readFile('/made', 'utf8'), 'by append')
  await assert.rejects(files.writeFile('/file', 'x', { flag: 'wx' }), { code: 'EEXIST' })
  await assert.rejects(files.writeFile('/none/file', 'x'), { code: 'ENOENT' })
  await files.mkdir('/dir')
  await assert.rejects(files.writeFile('/dir', 'x'), { code: 'EISDIR' })
  await assert.rejects(files.readFile('/dir'), { code: 'EISDIR' })
  await assert.rejects(files.writeFile('/file/below', 'x'), { code: 'ENOTDIR' })
})

contentTests.add('read and write streams', async (files) => {
  const data = randomBytes(BIG_BYTES)
  await files.writeFile('/from', data)
  await pipeline(files.createReadStream('/from'), files.createWriteStream('/to'))
  assert.ok(data.equals(await files.readFile('/to')))
  const part = files.createReadStream('/to', { start: 10, end: 19 })
  assert.ok(data.subarray(10, 20).equals(Buffer.concat(await part.toArray())))
  const missing = files.createReadStream('/missing')
  await assert.rejects(missing.toArray(), { code: 'ENOENT' })
  const text = files.createReadStream('/to', { start: 0, end: 3, encoding: 'hex' })
  assert.equal((await text.toArray()).join(''), data.toString('hex', 0, 4))
})

contentTests.add('replace installs a new version as a whole or not at all', async (files) => {
  await files.writeFile('/file', 'before')
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half')
    throw new Error('the source broke')
  }
  await assert.rejects(files.replace('/file', broken()))
  assert.equal(await files.readFile('/file', 'utf8'), 'before')
  const stats = await files.replace(
    '/file',
    (async function* () {
      yield Buffer.from('after')
    })(),
  )
  assert.equal(await files.readFile('/file', 'utf8'), 'after')
  assert.equal(stats.etag, (await files.stat('/file')).etag)
  assert.equal(stats.size, 5)
  assert.deepEqual(await files.readdir('/'), ['file'])
})

contentTests.add('etags identify versions, and a version can be requested', async (files) => {
  await files.writeFile('/file', 'one')
  const first = await files.stat('/file')
  assert.equal((await files.stat('/file')).etag, first.etag)
  await files.writeFile('/file', 'two')
  const second = await files.stat('/file')
  assert.notEqual(second.etag, first.etag)
  const old = collect(files.content('/file', { ifMatch: first.etag }))
  await assert.rejects(old, { code: 'ESTALE' })
  const now = await collect(files.content('/file', { ifMatch: second.etag }))
  assert.equal(Buffer.from(now).toString(), 'two')
})

contentTests.add('copying', async (files) => {
  await files.writeFile('/from', 'x'.repeat(1000))
  await files.copyFile('/from', '/to')
  assert.equal((await files.readFile('/to')).length, 1000)
  await assert.rejects(files.copyFile('/from', '/to', 1), { code: 'EEXIST' })
  await assert.rejects(files.copyFile('/none', '/to'), { code: 'ENOENT' })
  await files.copyFile('/from', '/third', 1)
  assert.equal((await files.stat('/third')).size, 1000)
})

contentTests.add('truncate', async (files) => {
  await files.writeFile('/file', '0123456789')
  await files.truncate('/file', 4)
  assert.equal(await files.readFile('/file', 'utf8'), '0123')
  await files.truncate('/file', 6)
  assert.equal(await files.readFile('/file', 'latin1'), '0123\0\0')
  await files.truncate('/file')
  assert.equal((await files.stat('/file')).size, 0)
  await assert.rejects(files.truncate('/none'), { code: 'ENOENT' })
})
