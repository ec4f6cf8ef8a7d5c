/**
 * Space of removed files: their blocks are freed when no process has them open any more, including
 * the node. With and without passthrough.
 */
import assert from 'node:assert/strict'
import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { run } from '../cli/program.ts'
import { withFuse } from './fuse-scratch.ts'

const SIZE = 3 * 1024 * 1024
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']

/** Unlinked files in the NVMe directory that the daemon has open. */
function removedButOpen({ nvme }: ClientHome, client: ClientProcess): string[] {
  const folder = `/proc/${client.daemon}/fd`
  return readdirSync(folder)
    .map((fd) => linkOf(join(folder, fd)))
    .filter((path) => path.startsWith(`${nvme}/data`) && path.endsWith(' (deleted)'))
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

for (const passthrough of ['always', 'off']) {
  test(`what is gone is not kept open, passthrough ${passthrough}`, withFuse, async () => {
    using home = new ClientHome()
    const flags = ['-passthrough', passthrough]
    const client = await ClientProcess.start(home, { flags })
    const path = (name: string): string => join(home.mount, name)
    const allClosed = (): Promise<void> =>
      eventually('all are closed', () => removedButOpen(home, client).length === 0)
    const write = (name: string): void => writeFileSync(path(name), Buffer.alloc(SIZE, name))

    NAMES.forEach(write)
    for (const name of NAMES) assert.equal(readFileSync(path(name)).length, SIZE)
    for (const name of NAMES) rmSync(path(name))
    await allClosed()

    NAMES.forEach(write)
    for (const name of NAMES.slice(1)) renameSync(path(name), path('a'))
    await allClosed()
    assert.equal(readFileSync(path('a')).compare(Buffer.alloc(SIZE, 'f')), 0)

    const reader = openSync(path('a'), 'r')
    rmSync(path('a'))
    write('b')
    rmSync(path('b'))
    await eventually('one is left', () => removedButOpen(home, client).length <= 1)
    const bytes = Buffer.alloc(SIZE)
    assert.equal(readSync(reader, bytes, 0, SIZE, 0), SIZE)
    assert.equal(bytes.compare(Buffer.alloc(SIZE, 'f')), 0, 'who has it open keeps it')
    closeSync(reader)
    await allClosed()

    NAMES.forEach(write)
    const { status, stderr } = await run('cachefs', ['wait', home.mount])
    assert.equal(status, 0, stderr)
    for (const name of NAMES) assert.equal(readFileSync(path(name)).length, SIZE)
    assert.equal((await run('cachefs', ['evict', home.mount])).status, 0)
    await allClosed()
    assert.equal(readFileSync(path('c')).compare(Buffer.alloc(SIZE, 'c')), 0)
    assert.equal(await client.stop(), 0)
  })
}
