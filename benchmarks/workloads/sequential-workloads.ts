/**
 * One large file from start to end in blocks of 1 MiB. Each block contains its number, so that a
 * read that is fast because it is wrong fails.
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { withMapped } from '../memory-map.ts'
import { LARGE_FILE, timed, warmed, type Measured, type Place, type Workload } from './workload.ts'

const BLOCK_BYTES = 1024 * 1024
const block = randomFillSync(Buffer.allocUnsafeSlow(BLOCK_BYTES))
const group = 'Sequential, blocks of 1 MiB'

export const sequentialWorkloads: readonly Workload[] = [
  {
    group,
    name: 'write, close',
    unit: 'MB/s',
    before: 'as they are',
    isNeeded: true,
    run: (place) => writeFile(place, LARGE_FILE, false),
  },
  {
    group,
    name: 'write, fsync, close',
    unit: 'MB/s',
    before: 'as they are',
    run: (place) => {
      const measured = writeFile(place, 'synced', true)
      rmSync(join(place.directory, 'synced'))
      return measured
    },
  },
  { group, name: 'read, cold from the cloud', unit: 'MB/s', before: 'cloud', run: readFile },
  { group, name: 'read, page cache dropped', unit: 'MB/s', before: 'pages', run: readFile },
  {
    group,
    name: 'read, warm',
    unit: 'MB/s',
    before: 'as they are',
    run: warmed(readFile),
  },
  { group, name: 'mapped, page cache dropped', unit: 'MB/s', before: 'pages', run: readMapped },
  {
    group,
    name: 'mapped, warm',
    unit: 'MB/s',
    before: 'as they are',
    run: warmed(readMapped),
  },
]

function writeFile({ directory, sizeBytes }: Place, name: string, isSynced: boolean): Measured {
  return timed(sizeBytes, () => {
    const fd = openSync(join(directory, name), 'w')
    try {
      for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
        block.writeUInt32LE(at / BLOCK_BYTES)
        writeWhole(fd, block.subarray(0, Math.min(BLOCK_BYTES, sizeBytes - at)), at)
      }
      if (isSynced) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })
}

function writeWhole(fd: number, data: Buffer, at: number): void {
  for (let done = 0; done < data.length;) {
    done += writeSync(fd, data, done, data.length - done, at + done)
  }
}

function readFile({ directory, sizeBytes }: Place): Measured {
  return timed(sizeBytes, () => {
    const fd = openSync(join(directory, LARGE_FILE), 'r')
    try {
      for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) readBlock(fd, at, sizeBytes)
    } finally {
      closeSync(fd)
    }
  })
}

/** Copies the data out of the mapping, as a read does. */
function readMapped({ directory, sizeBytes }: Place): Measured {
  return timed(sizeBytes, () => {
    withMapped(join(directory, LARGE_FILE), sizeBytes, (bytes) => {
      for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
        bytes.copy(block, 0, at, Math.min(at + BLOCK_BYTES, sizeBytes))
        if (block.readUInt32LE() !== at / BLOCK_BYTES) throw new Error(`wrong bytes at ${at}`)
      }
    })
  })
}

function readBlock(fd: number, at: number, sizeBytes: number): void {
  const length = Math.min(BLOCK_BYTES, sizeBytes - at)
  for (let done = 0; done < length;) {
    const count = readSync(fd, block, done, length - done, at + done)
    if (count === 0) throw new Error(`the file ends at ${at + done} of ${sizeBytes} bytes`)
    done += count
  }
  if (block.readUInt32LE() !== at / BLOCK_BYTES) throw new Error(`wrong bytes at ${at}`)
}
