/**
 * Directories that change while they are listed: every entry that exists throughout is listed
 * exactly once, whatever its name is meanwhile, and every listing ends. getdents64(2) lists a few
 * entries at a time; programs on the same node, or another one, change each entry when it is
 * listed.
 */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { entriesOf } from '../conformance/operations/directories.ts'
import { close, lseek, open } from '../conformance/system-calls.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'

const FILES = 300
const LISTED_BYTES = 2048

/** Creates files; returns their inode numbers. */
function fill(directory: string): Set<number> {
  mkdirSync(directory)
  const paths = Array.from({ length: FILES }, (_, at) => join(directory, `file${at}`))
  for (const path of paths) writeFileSync(path, '')
  return new Set(paths.map((path) => statSync(path).ino))
}

/**
 * Lists a directory and calls `change` on each entry; returns the inodes in the order of the
 * listing.
 */
function walk(directory: string, change: (name: string, at: number) => void): number[] {
  const fd = open(directory, 0, 0)
  try {
    const inodes: number[] = []
    for (let part = entriesOf(fd, LISTED_BYTES); part.length > 0;) {
      for (const { ino, name } of part) {
        if (name === '.' || name === '..') continue
        assert.ok(inodes.push(ino) <= 20 * FILES, 'the listing does not end')
        change(name, inodes.length)
      }
      part = entriesOf(fd, LISTED_BYTES)
    }
    return inodes
  } finally {
    close(fd)
  }
}

function assertOnce(inodes: readonly number[], wanted: ReadonlySet<number>): void {
  const original = inodes.filter((ino) => wanted.has(ino))
  assert.equal(original.length, wanted.size)
  assert.deepEqual(new Set(original), wanted)
}

/** `listed` and `changed`: mount points of the volume, possibly on two nodes. */
function holds(places: () => { listed: string; changed: string }): void {
  test('entries that are renamed as they come', () => {
    const { listed, changed } = places()
    const wanted = fill(join(listed, 'renamed'))
    const inodes = walk(join(listed, 'renamed'), (name) => {
      renameSync(join(changed, 'renamed', name), join(changed, 'renamed', `${name}.new`))
    })
    assertOnce(inodes, wanted)
    assert.equal(inodes.length, wanted.size)
  })

  test('entries that are renamed before and after they come', () => {
    const { listed, changed } = places()
    const wanted = fill(join(listed, 'shuffled'))
    const inodes = walk(join(listed, 'shuffled'), (_name, at) => {
      const from = join(changed, 'shuffled', `file${(at * 7) % FILES}`)
      renameSync(from, `${from}.away`)
      renameSync(`${from}.away`, from)
    })
    assertOnce(inodes, wanted)
  })

  test('a directory in which each entry that comes makes another, and takes one away', () => {
    const { listed, changed } = places()
    const directory = join(changed, 'growing')
    const wanted = fill(join(listed, 'growing'))
    const inodes = walk(join(listed, 'growing'), (name, at) => {
      if (name.startsWith('file')) writeFileSync(join(directory, `new${at}`), '')
      if (at % 2 === 0) rmSync(join(directory, `new${at - 1}`), { force: true })
    })
    assertOnce(inodes, wanted)
  })

  test('entries that leave and come back are no reason to go on for ever', () => {
    const { listed, changed } = places()
    fill(join(listed, 'leaving'))
    mkdirSync(join(changed, 'elsewhere'))
    walk(join(listed, 'leaving'), (name) => {
      renameSync(join(changed, 'leaving', name), join(changed, 'elsewhere', name))
      renameSync(join(changed, 'elsewhere', name), join(changed, 'leaving', name))
    })
  })

  test('a place that was told stays the place after its entry', () => {
    const { listed, changed } = places()
    fill(join(listed, 'places'))
    const fd = open(join(listed, 'places'), 0, 0)
    const first = entriesOf(fd, LISTED_BYTES).at(-1)!
    const second = entriesOf(fd, LISTED_BYTES)
    renameSync(join(changed, 'places', first.name), join(changed, 'places', 'other'))
    unlinkSync(join(changed, 'places', second[0]!.name))
    lseek(fd, first.next, 0)
    assert.deepEqual(entriesOf(fd, LISTED_BYTES)[0], second[1])
    close(fd)
  })
}

describe('on one node', () => {
  let home: ClientHome
  let node: ClientProcess
  before(async () => {
    home = new ClientHome()
    node = await ClientProcess.start(home)
  })
  after(async () => {
    await node.kill()
    home[Symbol.dispose]()
  })
  holds(() => ({ listed: home.mount, changed: home.mount }))
})

describe('listed on one node of a cluster, changed on another', () => {
  let cluster: Cluster
  before(async () => {
    cluster = await Cluster.start({ nodes: 2 })
  })
  after(() => cluster[Symbol.asyncDispose]())
  holds(() => ({ listed: cluster.mount(0), changed: cluster.mount(1) }))
})
