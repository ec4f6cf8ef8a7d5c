/** Unmodified libraries for Node's file system run on a CacheFS. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { callbackify } from 'node:util'
import { glob } from 'glob'
import type { GlobOptions } from 'glob'
import git from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { MemoryFS } from '../../src/filesystem/memory/memory-fs.ts'
import { GitHttpServer } from '../fixtures/git-http-server.ts'

test('isomorphic-git commits, branches, merges and checks out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cachefs-git-'))
  const remote = new LocalFS(folder)
  const fs = new CacheFS(new MemoryFS(), remote)
  const dir = '/repository'
  const author = { name: 'A', email: 'a@example.com' }
  await git.init({ fs, dir, defaultBranch: 'main' })
  for (let i = 0; i < 20; i++) {
    await fs.mkdir(`${dir}/d${i % 4}`, { recursive: true })
    await fs.writeFile(`${dir}/d${i % 4}/file${i}`, `content ${i}\n`)
  }
  await git.add({ fs, dir, filepath: '.' })
  const first = await git.commit({ fs, dir, message: 'first', author })
  await git.branch({ fs, dir, ref: 'side', checkout: true })
  await fs.writeFile(`${dir}/d0/file0`, 'from the side\n')
  await git.add({ fs, dir, filepath: 'd0/file0' })
  await git.commit({ fs, dir, message: 'second', author })
  await git.checkout({ fs, dir, ref: 'main' })
  assert.equal(await fs.readFile(`${dir}/d0/file0`, 'utf8'), 'content 0\n')
  await git.merge({ fs, dir, ours: 'main', theirs: 'side', author })
  await git.checkout({ fs, dir, ref: 'main' })
  assert.equal(await fs.readFile(`${dir}/d0/file0`, 'utf8'), 'from the side\n')
  const log = await git.log({ fs, dir })
  assert.equal(log.at(-1)?.oid, first)
  const status = await git.statusMatrix({ fs, dir })
  assert.ok(status.every(([, head, work, stage]) => head === 1 && work === 1 && stage === 1))
  await fs.wait()
  assert.deepEqual(fs.errors(), [])
  // git accepts the remote's copy as a repository.
  const real = (...args: string[]): string => {
    const safe = ['-c', 'safe.directory=*', '-C', join(folder, 'repository')]
    return execFileSync('git', [...safe, ...args], { encoding: 'utf8' })
  }
  assert.match(real('log', '--oneline'), /second\n.*first/)
  assert.equal(real('status', '--porcelain'), '')
  real('fsck', '--full', '--strict')
  await fs.close()
  await rm(folder, { recursive: true })
})

test('isomorphic-git clones over HTTP, commits, pushes and pulls', async () => {
  await using server = await GitHttpServer.start()
  const author = { name: 'A', email: 'a@example.com' }
  const dir = '/repository'
  const files = Array.from({ length: 60 }, (_, n) => `folder-${n % 7}/file-${n}`)
  const seed = new MemoryFS()
  await git.init({ fs: seed, dir, defaultBranch: 'main' })
  for (const path of files) {
    await seed.mkdir(`${dir}/${path.slice(0, path.indexOf('/'))}`, { recursive: true })
    await seed.writeFile(`${dir}/${path}`, `content of ${path}\n`.repeat(100))
  }
  await git.add({ fs: seed, dir, filepath: '.' })
  await git.commit({ fs: seed, dir, message: 'first', author })
  await git.push({ fs: seed, http, dir, url: server.url, ref: 'main' })

  const folder = await mkdtemp(join(tmpdir(), 'cachefs-clone-'))
  await using fs = new CacheFS(new MemoryFS(), new LocalFS(folder))
  await git.clone({ fs, http, dir, url: server.url, ref: 'main', singleBranch: true })
  assert.deepEqual((await git.listFiles({ fs, dir })).sort(), [...files].sort())
  for (const path of files) {
    const text = await fs.readFile(`${dir}/${path}`, 'utf8')
    assert.equal(text, `content of ${path}\n`.repeat(100))
  }
  await fs.appendFile(`${dir}/folder-0/file-0`, 'one line more\n')
  await git.add({ fs, dir, filepath: 'folder-0/file-0' })
  const second = await git.commit({ fs, dir, message: 'second', author })
  await git.push({ fs, http, dir, remote: 'origin', ref: 'main' })
  assert.equal(server.git('rev-parse', 'main').trim(), second)
  server.git('fsck', '--full', '--strict')
  await git.addRemote({ fs: seed, dir, remote: 'origin', url: server.url })
  await git.pull({ fs: seed, http, dir, ref: 'main', author })
  assert.match(await seed.readFile(`${dir}/folder-0/file-0`, 'utf8'), /one line more\n$/)

  await fs.wait()
  assert.deepEqual(fs.errors(), [])
  const clone = ['-c', 'safe.directory=*', '-C', join(folder, 'repository')]
  execFileSync('git', [...clone, 'fsck', '--full', '--strict'], { stdio: 'pipe' })
  const changed = execFileSync('git', [...clone, 'status', '--porcelain'], { encoding: 'utf8' })
  assert.equal(changed, '', 'git sees a clean clone at the remote')
  await rm(folder, { recursive: true })
})

test('glob finds files', async () => {
  const remote = new MemoryFS()
  for (const name of ['a/one.txt', 'a/b/two.txt', 'a/b/three.md']) {
    await remote.mkdir('/a/b', { recursive: true })
    await remote.writeFile(`/${name}`, name)
  }
  const files = new CacheFS(new MemoryFS(), remote)
  // glob lists directories with callbacks.
  const fs = { readdir: callbackify(files.readdir.bind(files)), promises: files }
  const options = { cwd: '/', fs } as unknown as GlobOptions
  const found = await glob('a/**/*.txt', { ...options, withFileTypes: false })
  assert.deepEqual(found.sort(), ['/a/b/two.txt', '/a/one.txt'])
  await files.close()
})
