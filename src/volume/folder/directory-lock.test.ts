import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempDisposableSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DirectoryLock } from './directory-lock.ts'

const MODULE = new URL('directory-lock.ts', import.meta.url).href
const HOLD = `
const { DirectoryLock } = await import(process.argv[1])
globalThis.lock = DirectoryLock.take(process.argv[2])
console.log('locked')
setInterval(() => undefined, 1000)`

test('a directory is for one process, until that is killed', async (t) => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-lock-'))
  const args = ['--input-type=module', '-e', HOLD, MODULE, directory.path]
  const other = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => other.kill('SIGKILL'))
  await once(other.stdout, 'data')
  assert.throws(() => DirectoryLock.take(directory.path), {
    code: 'EBUSY',
    message: new RegExp(`is in use by another process: .*-nvme \\(pid ${other.pid} has a lock`),
  })
  const ended = once(other, 'exit')
  other.kill('SIGKILL')
  await ended
  const lock = DirectoryLock.take(directory.path)
  lock.release()
  DirectoryLock.take(directory.path).release()
})

test('a directory that others can write to is refused, and not changed', () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-lock-'))
  writeFileSync(join(directory.path, 'thesis.txt'), 'of somebody')
  chmodSync(directory.path, 0o777)
  assert.throws(() => DirectoryLock.take(directory.path), {
    code: 'EACCES',
    message: /can be written to by other users.*chmod 700/,
  })
  assert.equal(statSync(directory.path).mode & 0o777, 0o777)
})

test('a directory of this program alone, and its files, become private', () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-lock-'))
  const database = join(directory.path, 'node.db')
  writeFileSync(database, '')
  chmodSync(directory.path, 0o755)
  chmodSync(database, 0o644)
  DirectoryLock.take(directory.path).release()
  const modes = [directory.path, database, join(directory.path, 'lock.db')].map((path) => {
    return statSync(path).mode & 0o777
  })
  assert.deepEqual(modes, [0o700, 0o600, 0o600])
})

test('a link in the place of the lock is refused, and what it points to is not touched', () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-lock-'))
  using elsewhere = mkdtempDisposableSync(join(tmpdir(), 'cachefs-lock-'))
  const target = join(elsewhere.path, 'passwords')
  writeFileSync(target, 'secret', { mode: 0o640 })
  symlinkSync(target, join(directory.path, 'lock.db'))
  assert.throws(() => DirectoryLock.take(directory.path))
  assert.equal(statSync(target).mode & 0o777, 0o640)
  assert.equal(statSync(target).size, 6)
})
