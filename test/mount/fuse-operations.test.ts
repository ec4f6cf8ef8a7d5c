/** Every operation through the real kernel, by node:fs and by common programs. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs/promises'
import { describe, test } from 'node:test'
import { join } from 'node:path'
import { mountMemoryTree, run, withFuse } from './fuse-scratch.ts'

const code = (expected: string) => (error: NodeJS.ErrnoException) => error.code === expected

describe('operations of a mounted tree', withFuse, () => {
  test('negotiates what it wants with the kernel', async (t) => {
    const { negotiated } = await mountMemoryTree(t)
    assert.ok(negotiated.minor >= 31 && negotiated.minor <= 45)
    assert.equal(negotiated.maxWriteBytes, 1 << 20)
    assert.equal(negotiated.maxBackground, 64)
  })

  test('writes and reads files of every size, also in the middle', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    for (const size of [0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, 5_000_001]) {
      const content = Buffer.alloc(size)
      for (let at = 0; at < size; at++) content[at] = at % 251
      const file = join(mountPoint, `size-${size}`)
      await fs.writeFile(file, content)
      assert.ok(content.equals(await fs.readFile(file)), `${size} bytes`)
      assert.equal((await fs.stat(file)).size, size)
    }
    await using file = await fs.open(join(mountPoint, 'size-4097'), 'r+')
    await file.write('middle', 2000)
    const target = Buffer.alloc(8)
    await file.read(target, 0, 8, 1999)
    assert.equal(target.subarray(1, 7).toString(), 'middle')
  })

  test('appends, truncates, and keeps holes zero', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const file = join(mountPoint, 'file')
    await fs.appendFile(file, 'one ')
    await fs.appendFile(file, 'two')
    assert.equal(await fs.readFile(file, 'utf8'), 'one two')
    await fs.truncate(file, 3)
    await fs.truncate(file, 6)
    assert.deepEqual(await fs.readFile(file), Buffer.from('one\0\0\0'))
    await fs.writeFile(file, 'new') // O_TRUNC
    assert.equal(await fs.readFile(file, 'utf8'), 'new')
  })

  test('makes, lists, moves and removes names', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const at = (...names: string[]): string => join(mountPoint, ...names)
    await fs.mkdir(at('a/b'), { recursive: true })
    await fs.writeFile(at('a/file'), 'x')
    await fs.link(at('a/file'), at('a/b/hard'))
    assert.equal((await fs.stat(at('a/file'))).nlink, 2)
    await fs.symlink('../a/file', at('a/soft'))
    assert.equal(await fs.readlink(at('a/soft')), '../a/file')
    assert.equal(await fs.readFile(at('a/soft'), 'utf8'), 'x')
    assert.deepEqual((await fs.readdir(at('a'))).sort(), ['b', 'file', 'soft'])
    const [entry] = await fs.readdir(at('a/b'), { withFileTypes: true })
    assert.ok(entry?.isFile() && entry.name === 'hard')
    await assert.rejects(fs.rmdir(at('a/b')), code('ENOTEMPTY'))
    await fs.rename(at('a/file'), at('a/b/hard'))
    await fs.rename(at('a/b'), at('c'))
    assert.deepEqual(await fs.readdir(at('c')), ['hard'])
    await fs.unlink(at('c/hard'))
    await fs.rmdir(at('c'))
    await assert.rejects(fs.stat(at('c')), code('ENOENT'))
    await assert.rejects(fs.mkdir(at('a')), code('EEXIST'))
  })

  test('exchanges names and refuses to replace when asked (RENAME2)', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const [one, two] = [join(mountPoint, 'one'), join(mountPoint, 'two')]
    await fs.writeFile(one, '1')
    await fs.writeFile(two, '2')
    // renameat2: 316 on x86-64, 276 on arm64; AT_FDCWD is -100.
    const number = process.arch === 'arm64' ? 276 : 316
    const script = 'exit(syscall(shift(@ARGV)+0, -100, $ARGV[0], -100, $ARGV[1], $ARGV[2]+0) != 0)'
    const rename = async (flags: number) =>
      (await run('perl', '-e', script, String(number), one, two, String(flags))).status
    assert.equal(await rename(1), 1)
    assert.equal(await rename(2), 0)
    assert.equal(await fs.readFile(one, 'utf8'), '2')
    assert.equal(await fs.readFile(two, 'utf8'), '1')
  })

  test('changes modes, owners and times, also before 1970', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const file = join(mountPoint, 'file')
    await fs.writeFile(file, 'x')
    await fs.chmod(file, 0o6755)
    assert.equal((await fs.stat(file)).mode, 0o106755)
    await fs.chown(file, 12, 34)
    const { uid, gid, mode } = await fs.stat(file)
    assert.deepEqual([uid, gid, mode], [12, 34, 0o100755])
    await run('touch', '-a', '-d', '@-2.5', file)
    await run('touch', '-m', '-d', '@4000000000.25', file)
    const times = await fs.stat(file, { bigint: true })
    assert.equal(times.atimeNs, -2_500_000_000n)
    assert.equal(times.mtimeNs, 4_000_000_000_250_000_000n)
    const touched = await run('touch', file)
    assert.equal(touched.status, 0)
    assert.ok(Math.abs((await fs.stat(file)).mtimeMs - Date.now()) < 10_000)
  })

  test('a write by a plain user drops the set-id bits', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const file = join(mountPoint, 'file')
    await fs.writeFile(file, 'x')
    await fs.chown(file, 1000, 1000)
    await fs.chmod(file, 0o6777)
    const drop = '$) = $( = 1000; $> = $< = 1000;'
    const script = `${drop} open(F, ">>", $ARGV[0]) or exit 1; syswrite(F, "y") or exit 2`
    assert.equal((await run('perl', '-e', script, file)).status, 0)
    assert.equal((await fs.stat(file)).mode, 0o100777)
  })

  test('names are bytes', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const name = Buffer.from([0xff, 0xfe, 0x0a, 0x20, 0x22])
    const path = Buffer.concat([Buffer.from(`${mountPoint}/`), name])
    await fs.writeFile(path, 'x')
    assert.deepEqual(await fs.readdir(mountPoint, { encoding: 'buffer' }), [name])
    const long = join(mountPoint, 'n'.repeat(255))
    await fs.writeFile(long, 'y')
    assert.equal(await fs.readFile(long, 'utf8'), 'y')
    await assert.rejects(fs.writeFile(`${long}n`, 'z'), code('ENAMETOOLONG'))
  })

  test('lists a large directory whole, each name once', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const names = Array.from({ length: 3000 }, (_, n) => `file-with-a-longer-name-${n}`)
    for (const name of names) await fs.writeFile(join(mountPoint, name), '')
    assert.deepEqual((await fs.readdir(mountPoint)).sort(), names.toSorted())
    const { stdout } = await run('ls', '-lU', mountPoint)
    assert.equal(stdout.trim().split('\n').length, names.length + 1)
  })

  test('special files, statfs, fallocate, seeking', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const at = (name: string): string => join(mountPoint, name)
    assert.equal((await run('mkfifo', at('pipe'))).status, 0)
    assert.ok((await fs.stat(at('pipe'))).isFIFO())
    assert.equal((await run('mknod', at('null'), 'c', '1', '3')).status, 0)
    assert.equal((await fs.stat(at('null'))).rdev, 0x103)
    const { bsize, blocks, bfree, bavail, files } = await fs.statfs(mountPoint)
    assert.deepEqual([bsize, blocks, bfree, bavail, files], [4096, 1000, 500, 400, 100])
    assert.equal((await run('fallocate', '-l', '5000', at('long'))).status, 0)
    assert.equal((await fs.stat(at('long'))).size, 5000)
    const seek = 'open(F, "<", $ARGV[0]); print sysseek(F, 10, 3), " ", sysseek(F, 10, 4)'
    assert.equal((await run('perl', '-e', seek, at('long'))).stdout, '10 5000')
  })

  test('copies within the mount, locks, syncs and maps', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const at = (name: string): string => join(mountPoint, name)
    await fs.writeFile(at('from'), Buffer.alloc(3_000_000, 'abc'))
    assert.equal((await run('cp', '-a', at('from'), at('to'))).status, 0)
    assert.equal((await run('cmp', at('from'), at('to'))).status, 0)
    assert.equal((await run('flock', at('from'), 'true')).status, 0)
    assert.equal((await run('sync', at('from'))).status, 0)
    await using folder = await fs.open(mountPoint)
    await folder.sync()
    const tmpfile = 'use Fcntl; exit(sysopen(F, $ARGV[0], 020200002) ? 0 : $!+0)' // O_TMPFILE
    assert.equal((await run('perl', '-e', tmpfile, mountPoint)).status, 95)
  })

  test('extended attributes', async (t) => {
    const { mountPoint } = await mountMemoryTree(t)
    const file = join(mountPoint, 'file')
    await fs.writeFile(file, '')
    const python = `
import os, sys, errno
p = sys.argv[1]
def fails(code, call, *args):
    try: call(*args)
    except OSError as e: assert e.errno == code, e
    else: assert False
fails(errno.ENODATA, os.getxattr, p, 'user.a')
os.setxattr(p, 'user.a', b'\\0one', os.XATTR_CREATE)
fails(errno.EEXIST, os.setxattr, p, 'user.a', b'', os.XATTR_CREATE)
fails(errno.ENODATA, os.setxattr, p, 'user.b', b'', os.XATTR_REPLACE)
os.setxattr(p, 'user.big', b'x' * 65536)
assert os.getxattr(p, 'user.a') == b'\\0one'
assert len(os.getxattr(p, 'user.big')) == 65536
assert sorted(os.listxattr(p)) == ['user.a', 'user.big']
os.removexattr(p, 'user.a')
assert os.listxattr(p) == ['user.big']
print('ok')
`
    const { stdout, stderr } = await run('python3', '-c', python, file)
    assert.equal(stdout, 'ok\n', stderr)
  })
})
