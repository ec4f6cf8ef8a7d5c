/** A caller of a mount in its own thread: runs a task and returns its duration. */
import {
  closeSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { randomBytes } from 'node:crypto'

export interface Task {
  verb: 'create' | 'stat' | 'list' | 'rename' | 'remove' | 'fill' | 'read' | 'write'
  folder: string
  files: number
  /** Bytes of each file that is filled. */
  fileBytes?: number
}

export interface Counted {
  /** Operations, or bytes. */
  count: number
  ms: number
  medianMs: number
}

const BLOCK = Buffer.alloc(1024 * 1024)
const SMALL = randomBytes(4096)

function readAll(path: string): number {
  const file = openSync(path, 'r')
  let bytes = 0
  for (let read = 1; read > 0; bytes += read) read = readSync(file, BLOCK)
  closeSync(file)
  return bytes
}

/** Units per step: 1, or bytes. */
function step({ verb, folder, fileBytes = 0 }: Task, name: string): number {
  const path = join(folder, name)
  switch (verb) {
    case 'create':
    case 'write':
      writeFileSync(path, SMALL)
      return 1
    case 'stat':
      statSync(path)
      return 1
    case 'list':
      readdirSync(folder)
      return 1
    case 'rename':
      renameSync(path, `${path}.to`)
      renameSync(`${path}.to`, path)
      return 2
    case 'remove':
      rmSync(path, { force: true })
      return 1
    case 'fill':
      writeFileSync(path, randomBytes(fileBytes))
      return 1
    case 'read':
      return readAll(path)
  }
}

const task = workerData as Task
const names =
  task.verb === 'read'
    ? readdirSync(task.folder)
    : Array.from({ length: task.files }, (_, at) => `f${at}`)
const times: number[] = []
let count = 0
const started = performance.now()
for (const name of names) {
  const before = performance.now()
  count += step(task, name)
  times.push(performance.now() - before)
}
const ms = performance.now() - started
times.sort((a, b) => a - b)
parentPort!.postMessage({ count, ms, medianMs: times[times.length >> 1] ?? 0 } satisfies Counted)
