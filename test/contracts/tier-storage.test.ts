/** The contract of tiers, run on each with a real server. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import type { TierStorage } from '../../src/tiers/tier-storage.ts'
import { azureFixture, fileFixture, s3Fixture } from '../fixtures/tier-fixture.ts'
import type { TierFixture } from '../fixtures/tier-fixture.ts'

const MIB = 1024 * 1024
const BAD_KEYS = ['', '/a', 'a/', 'a//b', '..', '../a', 'a/../b', '.', 'a/./b', 'a\0b', 'a b', 'ä']
const LISTED_KEYS = 1203

const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

async function keysOf(tier: TierStorage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of tier.list(prefix)) keys.push(key)
  return keys.sort()
}

for (const [kind, open] of Object.entries({ fileFixture, s3Fixture, azureFixture })) {
  describe(`tier contract: ${kind.replace('Fixture', '')}`, () => {
    let fixture: TierFixture
    let tier: TierStorage
    before(async () => {
      fixture = await open()
      tier = fixture.tier
    })
    after(() => fixture[Symbol.asyncDispose]())

    test('passes its check, and has a name without secrets', async () => {
      await tier.check()
      assert.match(tier.name, /^(file|s3|azure):\/\/[\w./-]+$/)
    })

    test('reads back what was written, at every size', async () => {
      const sizes = [0, 1, 4 * MIB, 4 * MIB + 1, 12_345_678]
      for (let i = 0; i < 6; i++) sizes.push(Math.floor(Math.random() * MIB))
      for (const size of sizes) {
        const data = randomBytes(size)
        await tier.write(`sizes/${size}`, data, { crc32: crc32(data) })
        assert.equal(sha(await tier.read(`sizes/${size}`)), sha(data), `${size} bytes`)
        assert.equal(await tier.size(`sizes/${size}`), size)
        assert.equal(await tier.exists(`sizes/${size}`), true)
      }
    })

    test('reads exactly the range, or fails', async () => {
      const data = randomBytes(100_000)
      await tier.write('range', data)
      const ranges = [
        { offset: 0, length: 1 },
        { offset: 99_999, length: 1 },
        { offset: 12_345, length: 54_321 },
        { offset: 0, length: 100_000 },
        { offset: 50_000, length: 0 },
        { offset: 100_000, length: 0 },
      ]
      for (const range of ranges) {
        const expected = data.subarray(range.offset, range.offset + range.length)
        assert.deepEqual(await tier.read('range', range), expected, JSON.stringify(range))
      }
      assert.deepEqual(await tier.read('range', { offset: 99_000 }), data.subarray(99_000))
      assert.deepEqual(await tier.read('range', { offset: 100_000 }), Buffer.alloc(0))
      assert.deepEqual(await tier.read('range', { length: 7 }), data.subarray(0, 7))
      const beyond = [
        { offset: 99_999, length: 2 },
        { offset: 100_000, length: 1 },
        { offset: 100_001 },
        { offset: 100_001, length: 0 },
        { offset: 5_000_000, length: 10 },
        { length: 100_001 },
        { offset: -1 },
        { offset: 0, length: -1 },
        { offset: 0.5 },
        { offset: Number.NaN },
      ]
      for (const range of beyond) {
        await assert.rejects(tier.read('range', range), { code: 'EINVAL' }, JSON.stringify(range))
      }
      await tier.write('range-empty', Buffer.alloc(0))
      await assert.rejects(tier.read('range-empty', { length: 1 }), { code: 'EINVAL' })
    })

    test('reads into the buffer of the caller if it fits', async () => {
      const data = randomBytes(300_000)
      await tier.write('into', data)
      const into = Buffer.alloc(400_000, 7)
      const read = await tier.read('into', { into })
      assert.deepEqual([read.buffer, read.byteOffset], [into.buffer, into.byteOffset])
      assert.equal(sha(read), sha(data))
      assert.deepEqual(into.subarray(300_000), Buffer.alloc(100_000, 7))
      const range = { offset: 5, length: 10, into }
      assert.deepEqual(await tier.read('into', range), data.subarray(5, 15))
      const small = Buffer.alloc(1000, 7)
      assert.equal(sha(await tier.read('into', { into: small })), sha(data))
      assert.deepEqual(small, Buffer.alloc(1000, 7))
    })

    test('does not touch that buffer after the call has ended', async () => {
      await tier.write('into-large', Buffer.alloc(16 * MIB, 1))
      for (let i = 0; i < 10; i++) {
        const into = Buffer.alloc(16 * MIB, 7)
        const controller = new AbortController()
        const read = tier.read('into-large', { into, signal: controller.signal })
        setTimeout(() => controller.abort(), i * 3)
        await read.catch((error: unknown) => {
          assert.equal((error as { code?: string }).code, 'ECANCELED')
        })
        const left = Buffer.from(into)
        await new Promise((resolve) => setTimeout(resolve, 50))
        assert.ok(into.equals(left), `aborted after ${i * 3} ms`)
      }
    })

    test('checks ranges if it has block checksums', async () => {
      if (kind === 'fileFixture') {
        // A directory stores no checksums, and is near enough to read objects as a whole.
        assert.ok(!('readRange' in tier))
        return
      }
      for (const size of [16_385, 1_000_000, 4 * MIB, 12_345_678]) {
        const data = randomBytes(size)
        const key = `checked/${size}`
        await tier.write(key, data)
        for (let i = 0; i < 12; i++) {
          const offset = Math.floor(Math.random() * size)
          const length = 1 + Math.floor(Math.random() * Math.min(300_000, size - offset))
          const range = await tier.readRange!(key, { offset, length, size })
          assert.ok(range.equals(data.subarray(offset, offset + length)), `${offset}+${length}`)
        }
        const all = await tier.readRange!(key, { offset: 0, length: size, size })
        assert.equal(sha(all), sha(data))
        // The fixture changes the first byte: the first block is damaged, the others are good.
        await fixture.damage!(key)
        const first = tier.readRange!(key, { offset: 100, length: 1, size })
        await assert.rejects(first, { code: 'EIO' })
        const last = await tier.readRange!(key, { offset: size - 1, length: 1, size })
        assert.deepEqual(last, data.subarray(size - 1))
        const beyond = tier.readRange!(key, { offset: size, length: 1, size })
        await assert.rejects(beyond, { code: 'EINVAL' })
        const wrongSize = { offset: 0, length: 1, size: size + 200_000 }
        await assert.rejects(tier.readRange!(key, wrongSize), { code: 'EOPNOTSUPP' })
      }
      await tier.write('checked/small', Buffer.from('small'))
      const small = tier.readRange!('checked/small', { offset: 0, length: 2, size: 5 })
      await assert.rejects(small, { code: 'EOPNOTSUPP' })
    })

    test('replaces an object as a whole', async () => {
      await tier.write('again', Buffer.alloc(100_000, 'long'))
      await tier.write('again', Buffer.from('short'))
      assert.equal((await tier.read('again')).toString(), 'short')
      assert.equal(await tier.size('again'), 5)
    })

    test('reports a missing object by its key', async () => {
      const absent = { code: 'ENOENT', path: 'absent/object' }
      await assert.rejects(tier.read('absent/object'), absent)
      await assert.rejects(tier.read('absent/object', { offset: 1, length: 2 }), absent)
      await assert.rejects(tier.read('absent/object', { length: 0 }), absent)
      await assert.rejects(tier.size('absent/object'), absent)
      assert.equal(await tier.exists('absent/object'), false)
    })

    test('deletes objects, and accepts absent ones', async () => {
      await tier.write('gone/soon', Buffer.from('x'))
      await tier.delete('gone/soon')
      await tier.delete('gone/soon')
      await tier.delete('never/was')
      assert.equal(await tier.exists('gone/soon'), false)
      assert.deepEqual(await keysOf(tier, 'gone/'), [])
    })

    test('rejects invalid keys and changes nothing', async () => {
      for (const key of [...BAD_KEYS, 'x'.repeat(2000), `${'y'.repeat(256)}/z`]) {
        const invalid = { code: 'EINVAL' }
        await assert.rejects(tier.write(key, Buffer.from('x')), invalid, JSON.stringify(key))
        await assert.rejects(tier.read(key), invalid)
        await assert.rejects(tier.delete(key), invalid)
        await assert.rejects(tier.exists(key), invalid)
        await assert.rejects(tier.size(key), invalid)
      }
      for (const prefix of ['../', '/', 'a//', 'a/../b', 'a\0']) {
        await assert.rejects(keysOf(tier, prefix), { code: 'EINVAL' }, JSON.stringify(prefix))
      }
    })

    test('accepts every character that a key may contain', async () => {
      const key = 'AZaz09._-/..a/b../...-_./x.y-z_'
      await tier.write(key, Buffer.from(key))
      assert.equal((await tier.read(key)).toString(), key)
      assert.deepEqual(await keysOf(tier, 'AZ'), [key])
      await tier.delete(key)
    })

    test('rejects data that does not match its checksum', async () => {
      const data = randomBytes(1000)
      const wrong = { crc32: crc32(data) ^ 1 }
      await assert.rejects(tier.write('wrong', data, wrong), { code: 'EIO' })
      assert.equal(await tier.exists('wrong'), false)
    })

    test('lists more than a page, by prefix, with sizes', async () => {
      const names = Array.from({ length: LISTED_KEYS }, (_, i) => `list/${i % 7}/k${i}`)
      for (let i = 0; i < names.length; i += 50) {
        const batch = names.slice(i, i + 50)
        await Promise.all(batch.map((name) => tier.write(name, Buffer.from(name))))
      }
      assert.deepEqual(await keysOf(tier, 'list/'), [...names].sort())
      const threes = names.filter((name) => name.startsWith('list/3/k1')).sort()
      assert.deepEqual(await keysOf(tier, 'list/3/k1'), threes)
      assert.deepEqual(await keysOf(tier, 'list/3'), await keysOf(tier, 'list/3/'))
      assert.deepEqual(await keysOf(tier, 'list/x'), [])
      assert.deepEqual(await keysOf(tier, 'no/such/folder/'), [])
      for await (const { key, size } of tier.list('list/0/')) assert.equal(size, key.length)
      const all = await keysOf(tier, '')
      assert.ok(names.every((name) => all.includes(name)))
    })

    test('a listing that is ended early releases everything', async () => {
      for await (const { key } of tier.list('list/')) {
        assert.ok(key)
        break
      }
    })

    test('skips names that are no valid keys', async () => {
      await tier.write('foreign/ours', Buffer.from('x'))
      await fixture.putForeign('foreign/not ours')
      assert.deepEqual(await keysOf(tier, 'foreign'), ['foreign/ours'])
    })

    test('stays within its prefix', async () => {
      const sibling = await fixture.openSibling()
      await sibling.write('mine', Buffer.from('sibling'))
      assert.equal(await tier.exists('mine'), false)
      assert.deepEqual(await keysOf(sibling, ''), ['mine'])
      await sibling.close()
    })

    test('writers of one key never mix', async () => {
      const versions = Array.from({ length: 8 }, () => randomBytes(MIB))
      const known = new Set(versions.map(sha))
      const writes = versions.map((data) => tier.write('contested', data))
      const reads = Array.from({ length: 8 }, async () => {
        try {
          assert.ok(known.has(sha(await tier.read('contested'))), 'a mix of versions')
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ENOENT')
        }
      })
      await Promise.all([...writes, ...reads])
      assert.ok(known.has(sha(await tier.read('contested'))))
    })

    test('concurrent writes and deletes in one directory succeed', async () => {
      const work = Array.from({ length: 60 }, async (_, i) => {
        await tier.write(`busy/a/b/${i}`, Buffer.from(String(i)))
        if (i % 2 === 0) await tier.delete(`busy/a/b/${i}`)
      })
      await Promise.all(work)
      assert.equal((await keysOf(tier, 'busy/')).length, 30)
    })

    test('an aborted call is ECANCELED, and an aborted write leaves nothing', async () => {
      const data = randomBytes(16 * MIB)
      const aborted = { signal: AbortSignal.abort() }
      await assert.rejects(tier.write('aborted/0', data, aborted), { code: 'ECANCELED' })
      await assert.rejects(tier.read('range', aborted), { code: 'ECANCELED' })
      await assert.rejects(tier.check(aborted), { code: 'ECANCELED' })
      for (let i = 1; i <= 8; i++) {
        const controller = new AbortController()
        const write = tier.write(`aborted/${i}`, data, controller)
        setTimeout(() => controller.abort(), i * 2)
        const done = await write.then(
          () => true,
          (error: unknown) => (assert.equal((error as { code?: string }).code, 'ECANCELED'), false),
        )
        // If the store had accepted the object before the abort, it has all of it.
        if (!done && !(await tier.exists(`aborted/${i}`))) continue
        assert.equal(sha(await tier.read(`aborted/${i}`)), sha(data))
      }
    })

    test('a timeout is distinguished from an abort', async () => {
      const signal = AbortSignal.timeout(1)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await assert.rejects(tier.read('range', { signal }), { code: 'ETIMEDOUT' })
    })

    test('many concurrent calls all succeed', async () => {
      await tier.write('popular', randomBytes(1000))
      const reads = Array.from({ length: 200 }, () => tier.read('popular'))
      assert.equal((await Promise.all(reads)).length, 200)
    })

    test('detects damage if the store keeps a checksum', async (t) => {
      if (fixture.damage === undefined) {
        t.diagnostic('nothing was tested: the tests cannot damage objects of this store')
        return
      }
      await tier.write('damaged', Buffer.alloc(1000, 'whole'))
      await fixture.damage('damaged')
      await assert.rejects(tier.read('damaged'), { code: 'EIO', message: /CRC-32/ })
      const found = await tier.read('damaged', { unchecked: true })
      assert.deepEqual(found.subarray(1), Buffer.alloc(1000, 'whole').subarray(1))
    })
  })
}
