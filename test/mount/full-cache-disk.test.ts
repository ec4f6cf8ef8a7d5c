/**
 * `cachefs mount` with a cache disk that is smaller than the data: a real ext4 that fills up.
 * Acknowledged data is at the mount and at the remote, byte for byte. ENOSPC is the result of the
 * call that did not fit, and only if neither eviction nor waiting for uploads makes room.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeOf } from '../../src/base/fs-error.ts'
import { eventually } from '../fixtures/eventually.ts'
import { Ext4Disk } from '../fixtures/ext4-disk.ts'
import { digests, RemoteHome } from '../fixtures/mounted-remote.ts'
import type { MountedRemote } from '../fixtures/mounted-remote.ts'
import { Random } from '../fixtures/random.ts'
import { withFuse } from './fuse-scratch.ts'

const MIB = 1024 * 1024
const DISK_MEGABYTES = 16

class SmallCache extends RemoteHome {
  readonly #disk = new Ext4Disk(DISK_MEGABYTES)
  override readonly local = this.#disk.path

  async mounted(): Promise<MountedRemote> {
    return await this.start(['--remote', this.remoteUrl])
  }

  /** Asserts that everything is uploaded and both sides have exactly these files. */
  async check(wanted: Map<string, Buffer>, mounted: MountedRemote): Promise<void> {
    await this.stopped(mounted)
    this.#compare('remote', this.remote, wanted)
    const again = await this.mounted()
    this.#compare('mount', this.mount, wanted)
    await this.stopped(again)
  }

  async stopped(mounted: MountedRemote): Promise<void> {
    assert.equal(await mounted.stop(), 0, mounted.stderr)
    assert.doesNotMatch(mounted.stderr, /not reached/)
  }

  #compare(side: string, folder: string, wanted: Map<string, Buffer>): void {
    assert.deepEqual(Object.keys(digests(folder)), [...wanted.keys()].sort(), side)
    for (const [name, bytes] of wanted) {
      assert.equal(statSync(join(folder, name)).size, bytes.length, `${side}: size of ${name}`)
      assert.ok(readFileSync(join(folder, name)).equals(bytes), `${side}: bytes of ${name}`)
    }
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]()
    this.#disk[Symbol.dispose]()
  }
}

/** Appends pieces until one does not fit; returns the acknowledged bytes. */
function fill(fd: number, random: Random, pieceBytes: readonly number[]): Buffer {
  const written: Buffer[] = []
  for (const bytes of pieceBytes) {
    for (;;) {
      const piece = Buffer.from(random.bytes(bytes))
      const error = failureOf(() => written.push(piece.subarray(0, writeSync(fd, piece))))
      if (error === undefined) continue
      assert.equal(error, 'ENOSPC')
      break
    }
  }
  return Buffer.concat(written)
}

function failureOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

test('an open file that fills the cache disk', withFuse, async () => {
  using home = new SmallCache()
  const random = new Random(11)
  const large = Buffer.from(random.bytes(3 * DISK_MEGABYTES * MIB + 5))
  mkdirSync(join(home.remote, 'never', 'seen'), { recursive: true })
  writeFileSync(join(home.remote, 'never/seen/large'), large)
  const mounted = await home.mounted()
  const wanted = new Map([['never/seen/large', large]])
  const path = (name: string): string => join(home.mount, name)
  const fd = openSync(path('open'), 'w')
  const content = fill(fd, random, [MIB, 100_000, 4096, 700, 1])
  assert.ok(content.length > (DISK_MEGABYTES * MIB) / 2)
  assert.equal(statSync(path('open')).size, content.length)

  // No room can be made: writers that need some get ENOSPC, and nothing else fails.
  const other = openSync(path('other'), 'w')
  assert.equal(
    failureOf(() => writeSync(other, random.bytes(5000))),
    'ENOSPC',
  )
  closeSync(other)
  wanted.set('other', Buffer.alloc(0))
  assert.equal(
    failureOf(() => mkdirSync(path('folder'))),
    'ENOSPC',
  )
  const { stderr } = spawnSync('fallocate', ['-l', '3M', path('other')])
  assert.match(stderr.toString(), /No space left on device/)
  renameSync(path('other'), path('renamed'))
  wanted.delete('other')
  wanted.set('renamed', Buffer.alloc(0))
  assert.ok((await readFile(path('never/seen/large'))).equals(large), 'larger than the disk')

  const part = Buffer.from(random.bytes(3 * MIB))
  part.copy(content, 1000)
  writeSync(fd, part, 0, part.length, 1000)
  fsyncSync(fd)
  closeSync(fd)
  wanted.set('open', content as Buffer<ArrayBuffer>)

  // The file is uploaded or being uploaded, so room becomes available.
  const after = Buffer.from(random.bytes(5 * MIB))
  await writeFile(path('after'), after)
  wanted.set('after', after)
  execFileSync('sh', ['-c', ': > "$0"', path('never/seen/large')])
  wanted.set('never/seen/large', Buffer.alloc(0))
  await home.check(wanted, mounted)
})

test('more than the disk has: writers wait for what is sent', withFuse, async () => {
  using home = new SmallCache()
  const mounted = await home.mounted()
  const wanted = new Map<string, Buffer>()
  const writer = async (number: number): Promise<void> => {
    const random = new Random(number)
    for (let file = 0; file < 12; file++) {
      const name = `${number}-${file % 9}`
      const before = wanted.get(name) ?? Buffer.alloc(0)
      const isAppended = random.below(2) === 0
      const data = Buffer.from(random.bytes(1 + random.below(MIB)))
      wanted.set(name, isAppended ? Buffer.concat([before, data]) : data)
      await using handle = await open(join(home.mount, name), isAppended ? 'a' : 'w')
      for (let at = 0; at < data.length; at += 65_536) {
        await handle.write(data.subarray(at, at + 65_536))
      }
    }
  }
  await Promise.all([1, 2, 3, 4].map((number) => writer(number)))
  const total = [...wanted.values()].reduce((sum, { length }) => sum + length, 0)
  assert.ok(total > DISK_MEGABYTES * MIB, `${total} bytes`)
  await home.check(wanted, mounted)
})

test('kill -9 while the cache disk is full', withFuse, async () => {
  using home = new SmallCache()
  const random = new Random(13)
  const mounted = await home.mounted()
  const small = Buffer.from(random.bytes(300_000))
  await writeFile(join(home.mount, 'closed'), small)
  const fd = openSync(join(home.mount, 'open'), 'w')
  const content = fill(fd, random, [MIB, 4096, 100])
  await mounted.stop('SIGKILL')
  assert.notEqual(
    failureOf(() => closeSync(fd)),
    'ENOSPC',
  )
  home.unmount()
  const again = await home.mounted()
  await eventually('there is room', () => {
    return failureOf(() => writeFileSync(join(home.mount, 'new'), small)) === undefined
  })
  const wanted = [
    ['closed', small],
    ['new', small],
    ['open', content],
  ] as const
  await home.check(new Map(wanted), again)
})
