/**
 * `make bench-scale`: one node as its volume grows. Names are put into its database by the rules
 * that the mount uses, many in one transaction; what is then measured goes through the mount, with
 * names that neither the kernel nor the node has looked at before. Directories have up to a million
 * files.
 */
import { opendirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { now } from '../../src/base/clock.ts'
import { SharedMutex } from '../../src/base/shared-mutex.ts'
import { S_IFDIR, S_IFREG } from '../../src/metadata/inode-rules.ts'
import { create } from '../../src/metadata/namespace-rules.ts'
import { SqliteEngine } from '../../src/metadata/sqlite/sqlite-engine.ts'
import type { Rule } from '../../src/metadata/statement.ts'
import { reserveNumbers } from '../../src/metadata/volume-rules.ts'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { Random } from '../../test/fixtures/random.ts'
import { dropKernelCaches } from '../kernel-caches.ts'

const DIRECTORY_FILES = 1_000_000
const TRANSACTION_FILES = 10_000
const LOOKUPS = 2000
const CHANGES = 500
const ROOT = 1

const { values } = parseArgs({
  options: { files: { type: 'string', default: '10000,100000,1000000' } },
})

interface Place {
  parent: number
  name: string
  type: number
}

/** An inode under a name, as the mount would make it. */
function* made({ parent, name, type }: Place): Rule<number> {
  const ino = yield* reserveNumbers('inode', 1)
  const seq = yield* reserveNumbers('entry', 1)
  const wanted = { ino, seq, mode: type | 0o755, uid: 0, gid: 0, rdev: 0, target: null }
  yield* create(parent, Buffer.from(name), wanted, now())
  return ino
}

function* page(parent: number, first: number, count: number): Rule<void> {
  for (let at = first; at < first + count; at++) {
    yield* made({ parent, name: `file-${at}`, type: S_IFREG })
  }
}

/** Files so that there are `to`, of which there are `from` already. */
function fill(nvme: string, from: number, to: number, directories: number[]): void {
  const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
  const engine = new SqliteEngine(join(nvme, 'volume.db'), mutex)
  for (let at = from; at < to; at += TRANSACTION_FILES) {
    const which = Math.floor(at / DIRECTORY_FILES)
    const name = `d${which}`
    directories[which] ??= engine.transact(made({ parent: ROOT, name, type: S_IFDIR }))
    engine.transact(page(directories[which], at, Math.min(TRANSACTION_FILES, to - at)))
    if (at % DIRECTORY_FILES === 0) engine.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  }
  engine.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  engine.close()
}

/** Median, µs. */
function timed(count: number, step: (at: number) => void): number {
  const times = Array.from({ length: count }, (_, at) => {
    const started = performance.now()
    step(at)
    return (performance.now() - started) * 1000
  })
  return times.sort((a, b) => a - b)[count >> 1]!
}

function listed(path: string): number {
  using directory = opendirSync(path, { bufferSize: 1024 })
  let count = 0
  while (directory.readSync() !== null) count++
  return count
}

function residentMib(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)
}

const home = new ClientHome()
process.on('exit', () => home[Symbol.dispose]())
const random = new Random(1)
const directories: number[] = []
await (await ClientProcess.start(home)).stop()
console.log(
  '| files | start | lookup | list, a name | create 4 KiB | rename | remove | memory, most |',
)
console.log('| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
let filled = 0
for (const files of values.files.split(',').map(Number)) {
  fill(home.nvme, filled, files, directories)
  filled = files
  await dropKernelCaches('pages and names')
  const started = performance.now()
  const node = await ClientProcess.start(home)
  const startMs = performance.now() - started
  const place = (at: number): string =>
    join(home.mount, `d${Math.floor(at / DIRECTORY_FILES)}`, `file-${at}`)
  const lookup = timed(LOOKUPS, () => statSync(place(random.below(files))))
  const listStarted = performance.now()
  const names = listed(join(home.mount, 'd0'))
  const list = ((performance.now() - listStarted) * 1000) / names
  if (names !== Math.min(files, DIRECTORY_FILES)) throw new Error(`${names} names are listed`)
  const fresh = (at: number): string => join(home.mount, 'd0', `new-${at}`)
  const content = random.bytes(4096)
  const made = timed(CHANGES, (at) => writeFileSync(fresh(at), content))
  const renamed = timed(CHANGES, (at) => renameSync(fresh(at), `${fresh(at)}-to`))
  const removed = timed(CHANGES, (at) => rmSync(`${fresh(at)}-to`))
  const times = [lookup, list, made, renamed, removed].map(
    (us) => `${us.toFixed(us < 10 ? 1 : 0)} µs`,
  )
  const memory = `${residentMib(node.daemon)} MiB`
  console.log(`| ${[files, `${(startMs / 1000).toFixed(1)} s`, ...times, memory].join(' | ')} |`)
  await node.stop()
}
