/** Directories, removing and renaming; errors by code, path and system call. */
import assert from 'node:assert/strict'
import { FsError, codeOf } from '../../../src/base/fs-error.ts'
import { ContractTests } from './contract-tests.ts'

export const nameTests = new ContractTests()

nameTests.add('a new file system has an empty root', async (files) => {
  assert.deepEqual(await files.readdir('/'), [])
  assert.ok((await files.stat('/')).isDirectory())
  await assert.rejects(files.stat('/missing'), { code: 'ENOENT', path: '/missing' })
  await assert.rejects(files.rmdir('/'), { code: 'EBUSY' })
})

nameTests.add('errors are FsErrors with the fields of Node errors', async (files) => {
  const error = await files.readFile('/missing').catch((it: unknown) => it)
  assert.ok(error instanceof FsError)
  assert.equal(error.code, 'ENOENT')
  assert.equal(error.errno, -2)
  assert.equal(error.path, '/missing')
  assert.equal(typeof error.syscall, 'string')
  assert.match(error.message, /^ENOENT: .*\/missing/)
})

nameTests.add('directories list their entries by name and type', async (files) => {
  await files.mkdir('/a')
  await files.writeFile('/a/file', 'x')
  await files.mkdir('/a/sub')
  assert.deepEqual((await files.readdir('/a')).sort(), ['file', 'sub'])
  const entries = await files.readdir('/a', { withFileTypes: true })
  const types = new Map(entries.map((it) => [it.name, it.isDirectory()]))
  assert.deepEqual([types.get('file'), types.get('sub')], [false, true])
  assert.ok(entries.every((it) => it.parentPath === '/a'))
  assert.deepEqual((await files.readdir('/', { recursive: true })).sort(), ['a', 'a/file', 'a/sub'])
  await assert.rejects(files.mkdir('/a'), { code: 'EEXIST' })
  await assert.rejects(files.mkdir('/b/c'), { code: 'ENOENT' })
  await assert.rejects(files.readdir('/a/file'), { code: 'ENOTDIR' })
  await assert.rejects(files.readdir('/none'), { code: 'ENOENT' })
})

nameTests.add('mkdir with recursive returns the first directory that it created', async (files) => {
  assert.equal(await files.mkdir('/x/y/z', { recursive: true }), '/x')
  assert.equal(await files.mkdir('/x/y/z', { recursive: true }), undefined)
  await files.writeFile('/x/file', '')
  await assert.rejects(files.mkdir('/x/file', { recursive: true }), { code: 'EEXIST' })
  await assert.rejects(files.mkdir('/x/file/deep', { recursive: true }))
})

nameTests.add('files and directories are removed', async (files) => {
  await files.mkdir('/d/e', { recursive: true })
  await files.writeFile('/d/e/f', 'x')
  await assert.rejects(files.rmdir('/d/e'), { code: 'ENOTEMPTY' })
  await assert.rejects(files.rmdir('/d/e/f'), { code: 'ENOTDIR' })
  await assert.rejects(files.unlink('/d/e'), { code: 'EISDIR' })
  await assert.rejects(files.rm('/d'), { code: 'EISDIR' })
  await assert.rejects(files.rm('/nothing'), { code: 'ENOENT' })
  await files.rm('/nothing', { force: true })
  await files.unlink('/d/e/f')
  await assert.rejects(files.unlink('/d/e/f'), { code: 'ENOENT' })
  await files.rmdir('/d/e')
  await files.writeFile('/d/g', 'x')
  await files.rm('/d', { recursive: true })
  assert.deepEqual(await files.readdir('/'), [])
})

nameTests.add('a file is renamed, also over another one', async (files) => {
  await files.writeFile('/one', '1')
  await files.writeFile('/two', '2')
  await files.rename('/one', '/two')
  assert.equal(await files.readFile('/two', 'utf8'), '1')
  assert.deepEqual(await files.readdir('/'), ['two'])
  await assert.rejects(files.rename('/one', '/three'), { code: 'ENOENT' })
  await assert.rejects(files.rename('/two', '/none/three'), { code: 'ENOENT' })
  await files.rename('/two', '/two')
  assert.equal(await files.readFile('/two', 'utf8'), '1')
  await files.mkdir('/dir')
  await assert.rejects(files.rename('/two', '/dir'), { code: 'EISDIR' })
  await assert.rejects(files.rename('/dir', '/two'), { code: 'ENOTDIR' })
})

nameTests.add('a directory is renamed with its content', async (files) => {
  await files.mkdir('/from/deep', { recursive: true })
  await files.writeFile('/from/deep/file', 'x')
  await assert.rejects(files.rename('/from', '/from/deep/in'), { code: 'EINVAL' })
  await files.mkdir('/full/x', { recursive: true })
  await assert.rejects(files.rename('/from', '/full'), { code: 'ENOTEMPTY' })
  await files.mkdir('/empty')
  await files.rename('/from', '/empty')
  assert.equal(await files.readFile('/empty/deep/file', 'utf8'), 'x')
  await assert.rejects(files.stat('/from'), { code: 'ENOENT' })
  await assert.rejects(files.readFile('/from/deep/file'), { code: 'ENOENT' })
})

nameTests.add('names may contain any characters but slash and NUL', async (files) => {
  const names = ['a b', 'ümlaut', '%41', 'a?b#c', "quote'", '日本', '*', 'a+b', '~', '.hid']
  for (const name of names) await files.writeFile(`/${name}`, name)
  assert.deepEqual((await files.readdir('/')).sort(), names.toSorted())
  for (const name of names) assert.equal(await files.readFile(`/${name}`, 'utf8'), name)
  // Azure treats it as a slash, so it is rejected there.
  const isTaken = await files.writeFile('/back\\slash', 'x').then(
    () => true,
    (error: unknown) => {
      assert.equal(codeOf(error), 'EINVAL')
      return false
    },
  )
  assert.equal((await files.readdir('/')).includes('back\\slash'), isTaken)
  await assert.rejects(files.writeFile('/a\0b', ''), { code: 'EINVAL' })
  await assert.rejects(files.writeFile(`/${'n'.repeat(256)}`, ''), { code: 'ENAMETOOLONG' })
  await assert.rejects(files.stat(''), { code: 'ENOENT' })
})

nameTests.add('no spelling of a path leads outside or to another file', async (files) => {
  await files.mkdir('/dir')
  await files.writeFile('/../../dir/./file', 'x')
  assert.equal(await files.readFile('dir//file', 'utf8'), 'x')
  assert.deepEqual(await files.readdir('/..'), ['dir'])
})

nameTests.add('an aborted signal is ECANCELED', async (files) => {
  const signal = AbortSignal.abort()
  await files.writeFile('/file', 'x')
  await assert.rejects(files.stat('/file', { signal }), { code: 'ECANCELED' })
  await assert.rejects(files.readFile('/file', { signal }), { code: 'ECANCELED' })
  await assert.rejects(files.writeFile('/new', 'x', { signal }), { code: 'ECANCELED' })
  await assert.rejects(files.mkdir('/dir', { signal }), { code: 'ECANCELED' })
  assert.deepEqual(await files.readdir('/'), ['file'])
})
