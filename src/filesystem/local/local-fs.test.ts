import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { LocalFS } from './local-fs.ts'

let folder: string
let files: LocalFS

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cachefs-escape-'))
  await mkdir(join(folder, 'inside/dir'), { recursive: true })
  await mkdir(join(folder, 'outside'))
  await writeFile(join(folder, 'outside/secret'), 'secret')
  files = new LocalFS(join(folder, 'inside'))
})
after(() => rm(folder, { recursive: true }))

test('links created by other programs do not lead outside', async () => {
  await symlink(join(folder, 'outside'), join(folder, 'inside/absolute'))
  await symlink('../../outside/secret', join(folder, 'inside/dir/relative'))
  await symlink('../outside', join(folder, 'inside/upward'))
  for (const path of ['/absolute/secret', '/dir/relative', '/upward/secret']) {
    await assert.rejects(files.readFile(path), { code: 'ENOENT' }, path)
    await assert.rejects(files.stat(path), { code: 'ENOENT' }, path)
  }
  await assert.rejects(files.writeFile('/absolute/new', 'x'), { code: 'ENOENT' })
  await assert.rejects(files.mkdir('/upward/new'), { code: 'ENOENT' })
  await files.unlink('/absolute')
  assert.equal(await readFile(join(folder, 'outside/secret'), 'utf8'), 'secret')
})

test('a link with an absolute path of the machine does not resolve inside', async () => {
  await writeFile(join(folder, 'inside/file'), 'x')
  await symlink(join(folder, 'inside/file'), join(folder, 'inside/long'))
  await assert.rejects(files.readFile('/long'), { code: 'ENOENT' })
})

test('a directory that is replaced by a link during use does not lead outside', async () => {
  await mkdir(join(folder, 'inside/swapped'))
  await writeFile(join(folder, 'inside/swapped/secret'), 'mine')
  const state = { isDone: false }
  const swap = (async () => {
    const place = join(folder, 'inside/swapped')
    for (let i = 0; i < 300; i++) {
      await rm(place, { recursive: true, force: true })
      await symlink(join(folder, 'outside'), place)
      await rm(place)
      await mkdir(place)
      await writeFile(join(place, 'secret'), 'mine').catch(() => undefined)
    }
    state.isDone = true
  })()
  while (!state.isDone) {
    const text = await files.readFile('/swapped/secret', 'utf8').catch(() => 'refused')
    assert.notEqual(text, 'secret')
  }
  await swap
})

test('a missing directory is an error', () => {
  assert.throws(() => new LocalFS(join(folder, 'missing')), { code: 'ENOENT' })
})
