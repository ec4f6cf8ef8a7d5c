/**
 * Measures the cost of one request through the kernel: every stat has a new name, so each is one
 * LOOKUP. Asserts nothing.
 *
 *     node test/mount/fuse-measure.ts [workers] [callers] [stats per caller]
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FuseServer } from '../../src/fuse/fuse-server.ts'
import { SlowTree } from './fuse-slow-tree.ts'

const [count = 2, callers = 1, stats = 20_000] = process.argv.slice(2).map(Number)
const mountPoint = mkdtempSync(join(tmpdir(), 'cachefs-measure-'))
const memory = new SharedArrayBuffer(4)

const CALLER = `
const { statSync } = require('node:fs')
const [mountPoint, from, count] = process.argv.slice(1)
const names = Array.from({ length: +count }, (_, n) => mountPoint + '/f' + (+from + n))
const start = process.hrtime.bigint()
for (const name of names) statSync(name)
console.log(Number(process.hrtime.bigint() - start) / 1000 / +count)
`

const server = await FuseServer.open({
  mountPoint,
  source: 'measure',
  fileSystem: new SlowTree(memory, { hint: () => true }),
  worker: { module: new URL('./fuse-slow-tree.ts', import.meta.url), data: memory, count },
  resolveWait: () => Promise.resolve(undefined),
})

const call = async (from: number): Promise<number> => {
  const args = ['-e', CALLER, mountPoint, String(from), String(stats)]
  return Number((await promisify(execFile)(process.execPath, args)).stdout)
}

for (let round = 0; round < 4; round++) {
  const from = (n: number): number => (round * callers + n) * stats
  const start = performance.now()
  const us = await Promise.all(Array.from({ length: callers }, (_, n) => call(from(n))))
  const seconds = (performance.now() - start) / 1000
  const mean = us.reduce((sum, one) => sum + one, 0) / callers
  console.log(
    `${count} workers, ${callers} callers: ${mean.toFixed(1)} us per cold stat, ` +
      `${Math.round((callers * stats) / seconds)} per second (start of the callers included)`,
  )
}
await server.close()
rmdirSync(mountPoint)
