/**
 * Concurrent readers, each in its own process: of one cached file, of one file that only the cloud
 * has, and of one such file per reader. All data is checked.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { Random } from '../../test/fixtures/random.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MEMORY, memoryOf, printHead, printRow } from './figures.ts'
import { run } from './shell.ts'

const COUNTS = [1, 8, 64]
/** Size of the file that all read, and total size of the files that are read once each. */
const BYTES = 512 << 20

export async function printReadersTable(): Promise<void> {
  printHead('readers', 'one file, here', 'one file, cold', 'a cold file each', ...MEMORY)
  for (const count of COUNTS) await row(count)
}

async function row(count: number): Promise<void> {
  using home = new ClientHome()
  const node = await ClientProcess.start(home)
  const content = new Random(1).bytes(BYTES)
  const whole = join(home.mount, 'whole')
  writeFileSync(whole, content)
  const directory = join(home.mount, 'each')
  mkdirSync(directory)
  const part = content.subarray(0, BYTES / count)
  const each = Array.from({ length: count }, (_, at) => join(directory, String(at)))
  for (const path of each) writeFileSync(path, part)
  const same = Array<string>(count).fill(whole)
  await node.act('wait', '/')
  await dropKernelCaches('pages and names')
  const here = await rate(same, content)
  await node.act('evict', '/')
  await dropKernelCaches('pages and names')
  const cold = await rate(same, content)
  await node.act('evict', '/')
  await dropKernelCaches('pages and names')
  printRow(count, here, cold, await rate(each, part), ...memoryOf(node))
  await node.stop()
}

/** Reads each path in its own process, all at once; returns the total rate. */
async function rate(paths: readonly string[], content: Buffer): Promise<string> {
  const started = performance.now()
  await Promise.all(paths.map((path) => run(`cat ${path} > /dev/null`)))
  const seconds = (performance.now() - started) / 1000
  const sums = await Promise.all([paths[0]!, paths.at(-1)!].map((path) => run(`md5sum ${path}`)))
  const expected = createHash('md5').update(content).digest('hex')
  if (!sums.every((it) => it.startsWith(expected))) throw new Error('other bytes are read')
  return `${((paths.length * content.length) / 1e6 / seconds).toFixed(0)} MB/s`
}
