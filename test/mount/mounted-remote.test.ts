/**
 * `cachefs mount` of a bucket or folder as it is, with a persistent cache. Real mounts and a real
 * S3 server; the plain SDK reads the bucket.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { eventually } from '../fixtures/eventually.ts'
import { RemoteHome, digests } from '../fixtures/mounted-remote.ts'
import { startS3Server } from '../fixtures/s3-server.ts'
import { withFuse } from './fuse-scratch.ts'

const SOURCES = new URL('../../src/cachefs', import.meta.url).pathname
const LARGE = randomBytes(9 * 1024 * 1024 + 17)
const options = { ...withFuse, timeout: 240_000 }

/** Creates a typical tree: nested folders, an empty one, a large file, a link. */
function copyTreeInto(folder: string): void {
  execFileSync('cp', ['-a', SOURCES, join(folder, 'sources')])
  fs.mkdirSync(join(folder, 'data/empty'), { recursive: true })
  fs.writeFileSync(join(folder, 'data/large.bin'), LARGE)
  fs.writeFileSync(join(folder, 'data/ä ö.txt'), 'a name that is not ASCII\n')
  fs.writeFileSync(join(folder, 'data/none'), '')
}

suite('a folder mounted', options, () => {
  test('a tree goes in, lies there as plain files, and is read again', async () => {
    using home = new RemoteHome()
    const flags = ['--remote', home.remoteUrl]
    const first = await home.start(flags)
    copyTreeInto(home.mount)
    fs.symlinkSync('large.bin', join(home.mount, 'data/link'))
    const expected = digests(home.mount)
    assert.equal(expected['data/large.bin'], createHash('sha256').update(LARGE).digest('hex'))
    assert.equal(await first.stop(), 0, first.stderr)
    assert.deepEqual(await readdir(home.mount), [], 'nothing is mounted any more')
    assert.deepEqual(digests(home.remote), expected)
    assert.equal(fs.readlinkSync(join(home.remote, 'data/link')), 'large.bin')
    assert.ok((await stat(join(home.remote, 'data/empty'))).isDirectory())
    const second = await home.start(flags)
    assert.deepEqual(digests(home.mount), expected)
    assert.equal(await second.stop('SIGTERM'), 0, second.stderr)
  })

  test('mode and owner arrive with a file that is renamed right after', async () => {
    using home = new RemoteHome()
    const mounted = await home.start(['--remote', home.remoteUrl])
    const wanted = Array.from({ length: 60 }, (_, at) => [0o4751, 0o2775, 0o600][at % 3])
    for (const [at, mode] of wanted.entries()) {
      const [temporary, place] = [join(home.mount, 'new'), join(home.mount, `file-${at}`)]
      fs.writeFileSync(temporary, 'content')
      if (at % 2 === 0) fs.chownSync(temporary, 12, 34)
      fs.chmodSync(temporary, mode!)
      fs.renameSync(temporary, place)
    }
    const modes = (folder: string): number[] => {
      return wanted.map((_, at) => fs.statSync(join(folder, `file-${at}`)).mode & 0o7777)
    }
    assert.deepEqual(modes(home.mount), wanted)
    assert.equal(await mounted.stop(), 0, mounted.stderr)
    assert.deepEqual(modes(home.remote), wanted)
  })

  test('programs find what they know from other file systems', async () => {
    using home = new RemoteHome()
    const mounted = await home.start(['--remote', home.remoteUrl])
    const at = (name: string): string => join(home.mount, name)
    await mkdir(at('d'))
    await writeFile(at('d/a'), 'one')
    fs.appendFileSync(at('d/a'), ' two')
    assert.equal(await readFile(at('d/a'), 'utf8'), 'one two')
    fs.truncateSync(at('d/a'), 3)
    const { ino } = await stat(at('d/a'))
    await rename(at('d'), at('e'))
    assert.equal((await stat(at('e/a'))).ino, ino, 'a moved directory takes its inodes along')
    assert.equal(await readFile(at('e/a'), 'utf8'), 'one')
    fs.chmodSync(at('e/a'), 0o751)
    fs.utimesSync(at('e/a'), 1_000_000_000, 1_100_000_000)
    fs.chownSync(at('e/a'), 12, 34)
    const { mode, mtimeMs, atimeMs, uid, gid } = await stat(at('e/a'))
    const seen = [mode & 0o7777, mtimeMs, atimeMs, uid, gid]
    assert.deepEqual(seen, [0o751, 1_100_000_000_000, 1_000_000_000_000, 12, 34])
    refuses('ENOENT', () => fs.statSync(at('nothing')))
    refuses('ENOTEMPTY', () => {
      fs.rmdirSync(at('e'))
    })
    refuses('EEXIST', () => {
      fs.mkdirSync(at('e'))
    })
    refuses('EPERM', () => {
      fs.linkSync(at('e/a'), at('hard'))
    })
    refuses('ENOTDIR', () => fs.statSync(at('e/a/b')))
    const names = Array.from({ length: 300 }, (_, n) => `file-${n}`).sort()
    await mkdir(at('many'))
    for (const name of names) fs.writeFileSync(at(`many/${name}`), name)
    assert.deepEqual((await readdir(at('many'))).sort(), names)
    execFileSync('rm', ['-r', at('many')])
    execFileSync('tar', ['-C', SOURCES, '-cf', at('sources.tar'), '.'])
    await mkdir(at('unpacked'))
    execFileSync('tar', ['-C', at('unpacked'), '-xf', at('sources.tar')])
    assert.deepEqual(digests(at('unpacked')), digests(SOURCES))
    assert.equal(await mounted.stop(), 0, mounted.stderr)
    assert.doesNotMatch(mounted.stderr, /ERROR|failed/)
    assert.deepEqual((await readdir(home.remote)).sort(), ['e', 'sources.tar', 'unpacked'])
    const { uid: owner, mode: bits } = await stat(join(home.remote, 'e/a'))
    assert.deepEqual([owner, bits & 0o7777], [12, 0o751])
  })

  test('a file that is unlinked or replaced while it is open goes on', async () => {
    using home = new RemoteHome()
    const mounted = await home.start(['--remote', home.remoteUrl])
    const path = join(home.mount, 'open')
    fs.writeFileSync(path, 'first')
    const fd = fs.openSync(path, 'r+')
    fs.unlinkSync(path)
    fs.writeSync(fd, 'F', 0)
    fs.writeFileSync(path, 'second')
    assert.equal(fs.readFileSync(fd, 'utf8'), 'First')
    assert.equal(fs.fstatSync(fd).nlink, 0)
    fs.closeSync(fd)
    assert.equal(fs.readFileSync(path, 'utf8'), 'second')
    assert.equal(await mounted.stop(), 0, mounted.stderr)
    assert.deepEqual(await readdir(home.remote), ['open'])
    assert.equal(await readFile(join(home.remote, 'open'), 'utf8'), 'second')
  })

  test('a crash loses nothing: the next mount sends what was written', async () => {
    using home = new RemoteHome()
    const flags = ['--remote', home.remoteUrl]
    const first = await home.start(flags)
    copyTreeInto(home.mount)
    const expected = digests(home.mount)
    await first.stop('SIGKILL')
    const second = await home.start(flags)
    assert.deepEqual(digests(home.mount), expected)
    assert.equal(await second.stop(), 0, second.stderr)
    assert.deepEqual(digests(home.remote), expected)
  })

  test('read-only: EROFS', async () => {
    using home = new RemoteHome()
    fs.writeFileSync(join(home.remote, 'a'), 'a')
    const mounted = await home.start(['--remote', home.remoteUrl, '--read-only'])
    refuses('EROFS', () => {
      fs.writeFileSync(join(home.mount, 'b'), '')
    })
    assert.equal(fs.readFileSync(join(home.mount, 'a'), 'utf8'), 'a')
    assert.equal(await mounted.stop(), 0)
  })

  test('unmounted from outside: it flushes and ends well', async () => {
    using home = new RemoteHome()
    const mounted = await home.start(['--remote', home.remoteUrl])
    fs.writeFileSync(join(home.mount, 'a'), 'a')
    const ended = new Promise((resolve) => mounted.child.once('exit', resolve))
    execFileSync('umount', [home.mount])
    assert.equal(await ended, 0, mounted.stderr)
    assert.equal(fs.readFileSync(join(home.remote, 'a'), 'utf8'), 'a')
  })
})

suite('what cannot be mounted', options, () => {
  test('one sentence, and a status', async () => {
    using home = new RemoteHome()
    const { local, mount, remoteUrl } = home
    const usage = home.fail('--remote', remoteUrl, mount)
    assert.deepEqual([usage.status, /--local is missing/.test(usage.stderr)], [2, true])
    const strange = home.fail('--local', local, '--remote', 'ftp://x/y', mount)
    assert.deepEqual([strange.status, /s3:\/\/bucket/.test(strange.stderr)], [2, true])
    const inside = home.fail('--local', join(mount, 'x'), '--remote', remoteUrl, mount)
    assert.deepEqual([inside.status, /must not be inside/.test(inside.stderr)], [2, true])
    const missing = home.fail('--local', local, '--remote', 'file:///does/not/exist', mount)
    assert.deepEqual([missing.status, missing.stderr.split('\n').length], [1, 2], missing.stderr)
    const mounted = await home.start(['--remote', remoteUrl])
    const busy = home.fail('--local', local, '--remote', remoteUrl, `${mount}2`)
    assert.deepEqual([busy.status, /in use by another process/.test(busy.stderr)], [1, true])
    assert.equal(await mounted.stop(), 0)
    fs.mkdirSync(join(home.directory, 'another'))
    const another = `file://${home.directory}/another`
    const wrong = home.fail('--local', local, '--remote', another, mount)
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /is the cache of file:.*name another with --local/)
  })
})

suite('a bucket mounted', options, () => {
  test('plain objects; a cache that lasts; what others put there appears', async () => {
    // The strict server does not accept multipart uploads.
    await using server = await startS3Server({ lenient: true })
    using home = new RemoteHome()
    const { bucket, endpoint, accessKeyId = '', secretAccessKey = '' } = server.options
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    const flags = ['--remote', `s3://${bucket}/team/files`, '--s3-endpoint', endpoint]
    const first = await home.start([...flags, '--ttl', '1h'], keys)
    copyTreeInto(home.mount)
    const expected = digests(home.mount)
    assert.equal(await first.stop(), 0, first.stderr)
    assert.doesNotMatch(first.stderr, /WARN|ERROR/)

    const client = new S3Client({
      ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
      credentials: { accessKeyId, secretAccessKey },
    })
    for (const [name, digest] of Object.entries(expected)) {
      const Key = `team/files/${name}`
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
      assert.equal(createHash('sha256').update(bytes).digest('hex'), digest, name)
    }

    await server.stop()
    const second = await home.start([...flags, '--ttl', '1h'], keys)
    assert.match(second.stderr, /does not answer/)
    assert.deepEqual(digests(home.mount), expected, 'read while the bucket is away')
    await server.start()
    assert.equal(await second.stop(), 0, second.stderr)

    const third = await home.start([...flags, '--ttl', '2s', '--stale-if-error', '1h'], keys)
    await readdir(home.mount)
    const Key = 'team/files/from-elsewhere'
    const put = { Bucket: bucket, Key, Body: 'put by another tool' }
    await client.send(new PutObjectCommand(put))
    const path = join(home.mount, 'from-elsewhere')
    await eventually('a new object appears', () => holds(path, 'put by another tool'))
    assert.ok((await readdir(home.mount)).includes('from-elsewhere'))
    await client.send(new PutObjectCommand({ ...put, Body: 'and put again' }))
    await eventually('a new version appears', () => holds(path, 'and put again'))
    await server.stop()
    await delay(3_500)
    assert.equal(await readFile(path, 'utf8'), 'and put again', 'stale, since nobody answers')
    await server.start()
    assert.equal(await third.stop(), 0, third.stderr)
    client.destroy()
  })
})

function refuses(code: string, work: () => unknown): void {
  assert.throws(work, { code })
}

async function holds(path: string, text: string): Promise<boolean> {
  return (await readFile(path, 'utf8').catch(() => undefined)) === text
}
