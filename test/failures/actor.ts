/**
 * A program that reads or writes versions of files on one mount, one after the other, until its
 * standard input ends, and prints each operation as a line of JSON (history.ts). Every error is
 * recorded as a result. Calls are synchronous: they block the whole process.
 *
 *     actor.ts read|write NODE SEED FOLDER FILE...
 */
import * as fs from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../fixtures/random.ts'
import { contentOf, valueOf, VERSION_BYTES } from './version.ts'
import type { Operation } from './history.ts'

const PAUSE_MS = 120

const [, , kind, node, seed, folder = '', ...files] = process.argv
const random = new Random(Number(seed))

/** CLOCK_MONOTONIC, ms: the same in all processes. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

class Stopwatch {
  slowest = { call: '', ms: 0 }

  time<T>(call: string, work: () => T): T {
    const start = now()
    try {
      return work()
    } finally {
      const ms = now() - start
      if (ms > this.slowest.ms) this.slowest = { call, ms }
    }
  }
}

function write(path: string, value: string, watch: Stopwatch): void {
  const file = watch.time('open', () => fs.openSync(path, 'r+'))
  try {
    const written = watch.time('write', () => fs.writeSync(file, contentOf(value), 0))
    if (written !== VERSION_BYTES) throw Object.assign(new Error('short'), { code: 'SHORT' })
  } finally {
    watch.time('close', () => fs.closeSync(file))
  }
}

function read(path: string, watch: Stopwatch): string {
  const file = watch.time('open', () => fs.openSync(path, 'r'))
  try {
    const content = Buffer.alloc(VERSION_BYTES + 1)
    let length = 0
    // A read that fails midway returns what it has; the next one reports the error.
    for (let read = -1; read !== 0 && length < content.length; length += read) {
      const at = length
      const rest = content.length - at
      read = watch.time('read', () => fs.readSync(file, content, at, rest, at))
    }
    return valueOf(content.subarray(0, length))
  } finally {
    watch.time('close', () => fs.closeSync(file))
  }
}

/** Node lacks names for some error numbers, such as ESTALE. */
function codeOf({ code, errno }: NodeJS.ErrnoException): string {
  const names = Object.entries(constants.errno)
  return names.find(([, number]) => number === -(errno ?? 0))?.[0] ?? code ?? 'no code'
}

function operate(file: string, version: number): Operation {
  const path = join(folder, file)
  const watch = new Stopwatch()
  const isWrite = kind === 'write'
  let value = isWrite ? `n${node}-${version}` : undefined
  let error: string | undefined
  const start = now()
  try {
    if (isWrite) write(path, value!, watch)
    else value = read(path, watch)
  } catch (thrown) {
    error = codeOf(thrown as NodeJS.ErrnoException)
  }
  const end = now()
  const said = { node: Number(node), kind: isWrite ? 'write' : 'read', file, value, start, end }
  return { ...said, ...(error !== undefined && { error }), slowest: watch.slowest } as Operation
}

const isOver = { value: false }
process.stdin.on('end', () => (isOver.value = true)).resume()
for (let version = 1; !isOver.value; version++) {
  const file = files[random.below(files.length)]!
  console.log(JSON.stringify(operate(file, version)))
  await delay(random.below(PAUSE_MS))
}
