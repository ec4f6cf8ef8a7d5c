/**
 * Accesses of 4 KiB at random offsets of the large file; the offsets are the same for all targets,
 * from a fixed seed. One caller, one operation at a time: this shows the latency.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  LARGE_FILE,
  counted,
  timed,
  warmed,
  type Measured,
  type Place,
  type Workload,
} from './workload.ts'

const PAGE_BYTES = 4096
const page = Buffer.alloc(PAGE_BYTES, 'random')
const group = 'Random, 4 KiB in the large file'

export const randomWorkloads: readonly Workload[] = [
  { group, name: 'read, page cache dropped', unit: 'op/s', before: 'pages', run: read },
  {
    group,
    name: 'read, warm',
    unit: 'op/s',
    before: 'as they are',
    run: warmed(read),
  },
  { group, name: 'write, close', unit: 'op/s', before: 'as they are', run: write },
]

function read(place: Place): Measured {
  return onLargeFile(place, 'r', (fd, at) => {
    const count = readSync(fd, page, 0, PAGE_BYTES, at)
    if (count !== PAGE_BYTES) throw new Error(`${count} bytes were read at ${at}`)
  })
}

function write(place: Place): Measured {
  return onLargeFile(place, 'r+', (fd, at) => {
    const count = writeSync(fd, page, 0, PAGE_BYTES, at)
    if (count !== PAGE_BYTES) throw new Error(`${count} bytes were written at ${at}`)
  })
}

function onLargeFile(
  { directory, sizeBytes, operations, budgetMs }: Place,
  flags: string,
  step: (fd: number, at: number) => void,
): Measured {
  const places = randomPages(Math.floor(sizeBytes / PAGE_BYTES))
  let amount = 0
  const { seconds } = timed(0, () => {
    const fd = openSync(join(directory, LARGE_FILE), flags)
    try {
      amount = counted(operations, budgetMs, () => step(fd, places() * PAGE_BYTES)).amount
    } finally {
      closeSync(fd)
    }
  })
  return { amount, seconds }
}

/** A linear congruential generator with the constants of Numerical Recipes. */
function randomPages(count: number): () => number {
  let state = 20_260_101
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
}
