/** Symbolic links, which do not lead outside, and attributes. */
import assert from 'node:assert/strict'
import { ContractTests } from './contract-tests.ts'

export const linkTests = new ContractTests()

linkTests.add(
  'links are created, read and followed',
  async (files) => {
    await files.mkdir('/dir')
    await files.writeFile('/dir/file', 'content')
    await files.symlink('dir/file', '/relative')
    await files.symlink('/dir', '/absolute')
    assert.equal(await files.readlink('/relative'), 'dir/file')
    assert.equal(await files.readlink('/absolute'), '/dir')
    assert.equal(await files.readFile('/relative', 'utf8'), 'content')
    assert.equal(await files.readFile('/absolute/file', 'utf8'), 'content')
    assert.ok((await files.lstat('/relative')).isSymbolicLink())
    assert.ok((await files.stat('/relative')).isFile())
    assert.deepEqual(await files.readdir('/absolute'), ['file'])
    assert.equal(await files.realpath('/absolute/../relative'), '/dir/file')
    const entries = await files.readdir('/', { withFileTypes: true })
    assert.equal(entries.filter((it) => it.isSymbolicLink()).length, 2)
    await assert.rejects(files.readlink('/dir/file'), { code: 'EINVAL' })
    await assert.rejects(files.symlink('x', '/dir'), { code: 'EEXIST' })
  },
  'symlinks',
)

linkTests.add(
  'operations apply to the link or to its target, as specified',
  async (files) => {
    await files.writeFile('/file', 'x')
    await files.symlink('file', '/link')
    await files.writeFile('/link', 'through')
    assert.equal(await files.readFile('/file', 'utf8'), 'through')
    await files.rename('/link', '/moved')
    assert.ok((await files.lstat('/moved')).isSymbolicLink())
    await files.unlink('/moved')
    assert.deepEqual(await files.readdir('/'), ['file'])
    await files.symlink('new', '/dangling')
    await assert.rejects(files.stat('/dangling'), { code: 'ENOENT' })
    await files.writeFile('/dangling', 'made')
    assert.equal(await files.readFile('/new', 'utf8'), 'made')
    await files.rm('/dangling', { recursive: true })
    assert.deepEqual(await files.readdir('/'), ['file', 'new'])
  },
  'symlinks',
)

linkTests.add(
  'links do not lead outside, and loops are ELOOP',
  async (files) => {
    await files.symlink('/etc', '/out')
    await files.symlink('../../../../etc/passwd', '/up')
    await assert.rejects(files.readdir('/out'), { code: 'ENOENT' })
    await assert.rejects(files.readFile('/out/passwd'), { code: 'ENOENT' })
    await assert.rejects(files.readFile('/up'), { code: 'ENOENT' })
    await assert.rejects(files.writeFile('/out/new', ''), { code: 'ENOENT' })
    await files.symlink('b', '/a')
    await files.symlink('a', '/b')
    await assert.rejects(files.stat('/a'), { code: 'ELOOP' })
    await files.rm('/a')
  },
  'symlinks',
)

linkTests.add(
  'attributes are stored',
  async (files) => {
    await files.writeFile('/file', 'x', { mode: 0o640 })
    await files.chmod('/file', 0o600)
    assert.equal((await files.stat('/file')).mode, 0o100600)
    await files.utimes('/file', 1_000_000, new Date(2_000_000_500))
    const stats = await files.stat('/file')
    assert.equal(Math.round(stats.mtimeMs), 2_000_000_500)
    await files.chown('/file', stats.uid, stats.gid)
    await assert.rejects(files.chmod('/none', 0o600), { code: 'ENOENT' })
    await assert.rejects(files.utimes('/none', 1, 1), { code: 'ENOENT' })
    await files.mkdir('/dir', 0o750)
    await files.chmod('/dir', 0o700)
    assert.equal((await files.stat('/dir')).mode, 0o40700)
    await using handle = await files.open('/file', 'r+')
    await handle.chmod(0o644)
    assert.equal((await handle.stat()).mode & 0o777, 0o644)
  },
  'attributes',
)

linkTests.add(
  'a replaced file keeps owner and mode',
  async (files) => {
    await files.writeFile('/file', 'x', { mode: 0o640 })
    // Without permission to change owners, no file belongs to others.
    const { uid, gid } = await files.stat('/file')
    const isRoot = process.getuid?.() === 0
    const owner = isRoot ? [1001, 1002] : [uid, gid]
    await files.chown('/file', owner[0]!, owner[1]!)
    await files.chmod('/file', 0o600)
    async function* content(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('y')
    }
    await files.replace('/file', content())
    await files.writeFile('/file', 'z')
    const now = await files.stat('/file')
    assert.deepEqual([now.uid, now.gid, now.mode & 0o7777], [...owner, 0o600])
  },
  'attributes',
)
