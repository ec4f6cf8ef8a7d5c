/**
 * A file that programs open by name while others replace and remove it: an open that found the name
 * gets a complete version, and no replaced data remains.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { withFuse } from './fuse-scratch.ts'

const OPENS = 3000
const SIZE = 100

/** Opens and reads a file repeatedly; prints the errors. */
const READER = `
import os, sys
bad = {}
for _ in range(${OPENS}):
    try:
        fd = os.open(sys.argv[1], os.O_RDONLY)
        data = os.read(fd, 200)
        os.close(fd)
        if len(data) != ${SIZE} or len(set(data)) != 1:
            bad['torn'] = bad.get('torn', 0) + 1
    except OSError as error:
        bad[error.strerror] = bad.get(error.strerror, 0) + 1
print(bad or 'fine')
`

/** Replaces a file while three programs open it; asserts that none of them sees an error. */
async function replaceWhileOpened(
  path: string,
  replace: (content: Buffer) => Promise<void> | void,
): Promise<void> {
  await replace(Buffer.alloc(SIZE, 'x'))
  const readers = Array.from({ length: 3 }, () =>
    spawn('python3', ['-c', READER, path], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  const printed = readers.map(async (reader) => Buffer.concat(await reader.stdout.toArray()))
  const isOver = Promise.all(readers.map((reader) => once(reader, 'close')))
  const isRunning = (): boolean => readers.some((reader) => reader.exitCode === null)
  for (let round = 0; isRunning(); round++) {
    await replace(Buffer.alloc(SIZE, 48 + (round % 10)))
    if (round % 16 === 0) await new Promise(setImmediate)
  }
  await isOver
  for (const text of await Promise.all(printed)) assert.equal(text.toString(), 'fine\n')
}

function byRename(path: string): (content: Buffer) => void {
  return (content) => {
    fs.writeFileSync(`${path}.new`, content)
    fs.renameSync(`${path}.new`, path)
  }
}

function backingFiles(nvme: string): string[] {
  const names = fs.readdirSync(join(nvme, 'data'), { recursive: true }) as string[]
  return names.filter((name) => name.includes('/'))
}

test('a file that is replaced can be opened at any moment', withFuse, async () => {
  using home = new ClientHome()
  const client = await ClientProcess.start(home)
  try {
    const path = join(home.mount, 'file')
    await replaceWhileOpened(path, byRename(path))
    await replaceWhileOpened(path, async (content) => {
      const url = `${client.api}/api/files/file`
      const response = await client.fetch(url, { method: 'PUT', body: content })
      assert.ok(response.ok, `PUT: ${response.status}`)
    })
    await eventually('what was replaced goes', () => backingFiles(home.nvme).length === 1)
    const fd = fs.openSync(path, 'r')
    fs.unlinkSync(path)
    // Opens through /proc work while the file is open.
    assert.equal(fs.readFileSync(`/proc/self/fd/${fd}`).length, SIZE)
    fs.closeSync(fd)
    await eventually('so does what was removed', () => backingFiles(home.nvme).length === 0)
  } finally {
    await client.stop()
  }
})

test('so it is on a node of a cluster', withFuse, async () => {
  await using cluster = await Cluster.start({ nodes: 2 })
  const path = join(cluster.mount(0), 'file')
  await replaceWhileOpened(path, byRename(path))
  const { ino } = fs.statSync(path)
  fs.unlinkSync(path)
  await eventually('it goes everywhere', async () => (await cluster.inodes([ino])).length === 0)
})
