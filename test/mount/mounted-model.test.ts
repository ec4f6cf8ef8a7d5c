/**
 * Seeded random operations on a mounted cache and on a plain folder: each has the same result on
 * both, and both trees and the remote are equal at the end. Also with a cache that is too small for
 * the tree, and with stops of the mount in between.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { RemoteHome, digests } from '../fixtures/mounted-remote.ts'
import { Random } from '../fixtures/random.ts'
import { withFuse } from './fuse-scratch.ts'

const STEPS = 400
const NAMES = ['a', 'b', 'c', 'd']

type Step = (root: string) => unknown

/** One random operation; its choices do not depend on where it runs. */
function step(random: Random): Step {
  const path = (): string => {
    return Array.from({ length: 1 + random.below(3) }, () => NAMES[random.below(4)]).join('/')
  }
  const [one, two] = [path(), path()]
  const [size, offset] = [random.below(300_000), random.below(300_000)]
  const bytes = Buffer.alloc(1 + random.below(200_000), random.below(256))
  const steps: Step[] = [
    (root) => fs.mkdirSync(join(root, one)),
    (root) => fs.mkdirSync(join(root, one), { recursive: true }) === undefined,
    (root) => {
      fs.writeFileSync(join(root, one), bytes)
    },
    (root) => {
      fs.appendFileSync(join(root, one), bytes)
    },
    (root) => writeAt(join(root, one), bytes, offset),
    (root) => {
      fs.truncateSync(join(root, one), size)
    },
    (root) => {
      fs.renameSync(join(root, one), join(root, two))
    },
    (root) => {
      fs.unlinkSync(join(root, one))
    },
    (root) => {
      fs.rmdirSync(join(root, one))
    },
    (root) => fs.readdirSync(join(root, one)).sort(),
    (root) => fs.readFileSync(join(root, one)).length,
    (root) => {
      const { size: length, mode } = fs.lstatSync(join(root, one))
      return [mode, (mode & 0o170000) === 0o100000 ? length : 0]
    },
    (root) => {
      fs.chmodSync(join(root, one), 0o600 | (size & 0o177))
    },
    (root) => {
      fs.symlinkSync(two, join(root, one))
    },
  ]
  return steps[random.below(steps.length)]!
}

function writeAt(path: string, bytes: Uint8Array, offset: number): number {
  const fd = fs.openSync(path, 'r+')
  try {
    return fs.writeSync(fd, bytes, 0, bytes.length, offset)
  } finally {
    fs.closeSync(fd)
  }
}

function outcome(work: Step, root: string): unknown {
  try {
    return work(root) ?? null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

suite('random operations', { ...withFuse, timeout: 240_000 }, () => {
  for (const seed of [1, 2, 3]) {
    test(`seed ${seed}`, async () => {
      using home = new RemoteHome()
      const random = new Random(seed)
      const model = join(home.directory, 'model')
      fs.mkdirSync(model)
      // Half a megabyte: uploaded data is evicted and fetched again.
      const flags = ['--remote', home.remoteUrl, '--capacity', '512K']
      let mounted = await home.start(flags)
      for (let at = 0; at < STEPS; at++) {
        if (at % 150 === 149) {
          assert.equal(await mounted.stop(at % 2 === 0 ? 'SIGINT' : 'SIGTERM'), 0)
          mounted = await home.start(flags)
        }
        const work = step(random)
        const expected = outcome(work, model)
        assert.deepEqual(outcome(work, home.mount), expected, `step ${at}: ${String(work)}`)
      }
      assert.deepEqual(digests(home.mount), digests(model))
      assert.equal(await mounted.stop(), 0, mounted.stderr)
      assert.deepEqual(digests(home.remote), digests(model))
      assert.deepEqual(names(home.remote), names(model))
    })
  }
})

function names(folder: string): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
}
