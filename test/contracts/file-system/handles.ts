/** Open files: positions, flags, and behaviour after the name is removed. */
import assert from 'node:assert/strict'
import { ContractTests } from './contract-tests.ts'

export const handleTests = new ContractTests()

handleTests.add('reads at positions and sequentially', async (files) => {
  await files.writeFile('/file', '0123456789')
  await using handle = await files.open('/file')
  const buffer = Buffer.alloc(4)
  assert.equal((await handle.read(buffer, 0, 4, 3)).bytesRead, 4)
  assert.equal(buffer.toString(), '3456')
  assert.equal((await handle.read({ buffer, length: 2 })).bytesRead, 2)
  assert.equal((await handle.read(buffer, 2, 2, null)).bytesRead, 2)
  assert.equal(buffer.toString(), '0123')
  assert.equal((await handle.read(buffer, 0, 4, 8)).bytesRead, 2)
  assert.equal((await handle.read(buffer, 0, 4, 10)).bytesRead, 0)
  assert.equal((await handle.stat()).size, 10)
  assert.equal(await handle.readFile('utf8'), '456789')
  await assert.rejects(handle.write('x'), { code: 'EBADF' })
})

handleTests.add('writes at any position', async (files) => {
  await using handle = await files.open('/file', 'w+')
  await handle.write('abc')
  await handle.write(Buffer.from('-def-'), 1, 3)
  await handle.write('X', 1)
  await handle.write(Buffer.from('end'), 0, 3, 8)
  const all = Buffer.alloc(20)
  const { bytesRead } = await handle.read(all, 0, 20, 0)
  assert.equal(all.toString('latin1', 0, bytesRead), 'aXcdef\0\0end')
  await handle.truncate(3)
  await handle.sync()
  await handle.close()
  assert.equal(await files.readFile('/file', 'utf8'), 'aXc')
  await assert.rejects(handle.read(all), { code: 'EBADF' })
  await handle.close()
})

handleTests.add(
  'open obeys create, exclusive and append; a missing file is ENOENT',
  async (files) => {
    await assert.rejects(files.open('/file'), { code: 'ENOENT' })
    await assert.rejects(files.open('/file', 'r+'), { code: 'ENOENT' })
    await assert.rejects(files.open('/file', 'q'), { code: 'EINVAL' })
    await (await files.open('/file', 'wx')).close()
    assert.equal((await files.stat('/file')).size, 0)
    await assert.rejects(files.open('/file', 'wx'), { code: 'EEXIST' })
    {
      await using handle = await files.open('/file', 'a')
      await handle.write('one')
      await handle.write(Buffer.from('two'), 0, 3, 0)
    }
    assert.equal(await files.readFile('/file', 'utf8'), 'onetwo')
    {
      await using handle = await files.open('/file', 'r+')
      await handle.write('ONE')
    }
    assert.equal(await files.readFile('/file', 'utf8'), 'ONEtwo')
  },
)

handleTests.add(
  'of many exclusive creates of one file, exactly one succeeds',
  async (files) => {
    const tries = Array.from({ length: 10 }, async () => {
      await using _handle = await files.open('/lock', 'wx')
    })
    const results = await Promise.allSettled(tries)
    assert.equal(results.filter((it) => it.status === 'fulfilled').length, 1)
  },
  'handles',
)

handleTests.add(
  'an open file stays usable after its name is removed',
  async (files) => {
    await files.writeFile('/file', 'content')
    await using handle = await files.open('/file', 'r+')
    await files.unlink('/file')
    assert.equal(await handle.readFile('utf8'), 'content')
    await handle.write('X', 0)
    await assert.rejects(files.stat('/file'), { code: 'ENOENT' })
    await files.writeFile('/file', 'another')
    const buffer = Buffer.alloc(7)
    await handle.read(buffer, 0, 7, 0)
    assert.equal(buffer.toString(), 'Xontent')
    assert.equal(await files.readFile('/file', 'utf8'), 'another')
  },
  'handles',
)

handleTests.add(
  'an open file stays usable after its name is renamed',
  async (files) => {
    await files.writeFile('/from', '')
    {
      await using handle = await files.open('/from', 'r+')
      await handle.write('one ')
      await files.rename('/from', '/to')
      await handle.write('two')
    }
    assert.equal(await files.readFile('/to', 'utf8'), 'one two')
    await assert.rejects(files.stat('/from'), { code: 'ENOENT' })
  },
  'handles',
)
