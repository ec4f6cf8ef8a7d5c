/** Behaviour of a directory beyond the contract: links, leftovers, mounts that are gone. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { FileTier } from './file-tier.ts'

let base: string
let directory: string
let tier: FileTier

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'cachefs-file-tier-'))
  directory = join(base, 'tier')
  tier = await FileTier.open({ directory, create: true })
})
afterEach(() => rm(base, { recursive: true }))

async function keys(): Promise<string[]> {
  const all: string[] = []
  for await (const { key } of tier.list('')) all.push(key)
  return all
}

test('an object is a plain file whose path is its key', async () => {
  await tier.write('a/b', Buffer.from('plain'))
  assert.deepEqual((await readdir(directory)).sort(), ['a', 'writing~'])
  assert.deepEqual(await readdir(join(directory, 'writing~')), [])
})

test('leftovers of a crash are not listed, and are deleted once they are old', async () => {
  const [old, recent] = ['old', 'recent'].map((name) => join(directory, 'writing~', name))
  for (const path of [old!, recent!]) await writeFile(path, 'half')
  const dayAgo = new Date(Date.now() - 86_400_000)
  await utimes(old!, dayAgo, dayAgo)
  assert.deepEqual(await keys(), [])
  await FileTier.open({ directory })
  // Another node may still be writing the recent one.
  assert.deepEqual(await readdir(join(directory, 'writing~')), ['recent'])
})

test('symbolic links do not lead out of the directory', async () => {
  const outside = join(base, 'outside')
  await mkdir(outside)
  await writeFile(join(outside, 'secret'), 'secret')
  await symlink(outside, join(directory, 'folder'))
  await symlink(join(outside, 'secret'), join(directory, 'file'))
  await assert.rejects(tier.read('folder/secret'), { code: 'EACCES' })
  await assert.rejects(tier.write('folder/new', Buffer.from('x')), { code: 'EACCES' })
  await assert.rejects(tier.delete('folder/secret'), { code: 'EACCES' })
  await assert.rejects(tier.read('file'), { code: 'ENOENT' })
  assert.deepEqual(await keys(), [])
  await tier.write('file', Buffer.from('own'))
  assert.equal((await tier.read('file')).toString(), 'own')
  assert.deepEqual(await readdir(outside), ['secret'])
})

test('a key below an object, or with the name of a directory, is rejected', async () => {
  await tier.write('a/b', Buffer.from('x'))
  await assert.rejects(tier.write('a/b/c', Buffer.from('x')), { code: 'EINVAL' })
  await assert.rejects(tier.write('a', Buffer.from('x')), { code: 'EINVAL' })
  await assert.rejects(tier.read('a'), { code: 'ENOENT' })
  assert.equal(await tier.exists('a/b/c'), false)
  await tier.delete('a/b/c')
  await tier.delete('a')
  assert.deepEqual(await keys(), ['a/b'])
})

test('deleting the last object of a directory removes the directory', async () => {
  await tier.write('deep/er/and/deeper', Buffer.from('x'))
  await tier.delete('deep/er/and/deeper')
  assert.deepEqual(await readdir(directory), ['writing~'])
})

test('a missing or unmounted directory is an error, not an empty store', async () => {
  await tier.write('a', Buffer.from('x'))
  await rename(directory, `${directory}.away`)
  const gone = { code: 'EIO', message: /still mounted/ }
  for (const isBack of [false, true]) {
    if (isBack) await mkdir(directory)
    await assert.rejects(tier.read('a'), gone)
    await assert.rejects(tier.exists('a'), gone)
    await assert.rejects(tier.delete('a'), gone)
    await assert.rejects(tier.write('b', Buffer.from('x')), gone)
    await assert.rejects(keys(), gone)
    await assert.rejects(tier.check(), gone)
  }
})
