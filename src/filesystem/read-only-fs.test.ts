import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryFS } from './memory/memory-fs.ts'
import { ReadOnlyFS } from './read-only-fs.ts'

test('reads are delegated, every change is EROFS', async () => {
  const memory = new MemoryFS()
  await memory.mkdir('/dir')
  await memory.writeFile('/file', 'content')
  await memory.symlink('file', '/link')
  const files = new ReadOnlyFS(memory)
  assert.equal(await files.readFile('/link', 'utf8'), 'content')
  assert.equal((await files.readdir('/')).length, 3)
  const changes = [
    () => files.writeFile('/file', 'x'),
    () => files.open('/file', 'r+'),
    () => files.open('/new', 'w'),
    () => files.truncate('/file'),
    () => files.mkdir('/new'),
    () => files.rmdir('/dir'),
    () => files.rm('/dir', { recursive: true }),
    () => files.unlink('/file'),
    () => files.rename('/file', '/other'),
    () => files.symlink('file', '/new'),
    () => files.chmod('/file', 0o600),
    () => files.utimes('/file', 1, 1),
    () => files.copyFile('/file', '/new'),
    () => files.replace('/file', files.content('/file')),
  ]
  for (const change of changes) await assert.rejects(change, { code: 'EROFS' })
  assert.equal(await memory.readFile('/file', 'utf8'), 'content')
})
