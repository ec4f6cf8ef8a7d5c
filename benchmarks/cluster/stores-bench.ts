/**
 * `make bench-stores`: metadata operations per second with a metadata store in SQLite and in
 * PostgreSQL, through one node, with one caller and with many. Both clusters run at the same time
 * and take turns, so that other load on the machine affects both; the median of the rounds is
 * shown. PostgreSQL is a test server without fsync: the benchmark compares the work, not disks.
 */
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { Cluster } from '../../test/fixtures/cluster.ts'
import { median } from '../median.ts'

const ROUNDS = 5
const COUNT = 500
const AT_ONCE = 16
const STORES = ['sqlite', 'postgres'] as const

type Step = (folder: string, at: number) => Promise<void>

const STEPS: Record<string, Step> = {
  create: async (folder, at) => await (await fs.open(join(folder, `f${at}`), 'w')).close(),
  rename: (folder, at) => fs.rename(join(folder, `f${at}`), join(folder, `g${at}`)),
  unlink: (folder, at) => fs.unlink(join(folder, `g${at}`)),
}

/** Operations per second of a step on a directory, with the given number of callers. */
async function measure(step: Step, folder: string, callers: number): Promise<number> {
  const beganMs = performance.now()
  let next = 0
  const run = async (): Promise<void> => {
    while (next < COUNT) await step(folder, next++)
  }
  await Promise.all(Array.from({ length: callers }, run))
  return COUNT / ((performance.now() - beganMs) / 1000)
}

await using sqlite = await Cluster.start({ nodes: 1, store: 'sqlite' })
await using postgres = await Cluster.start({ nodes: 1, store: 'postgres' })
const clusters = { sqlite, postgres }
const results = new Map<string, number[]>()

for (let round = 0; round < ROUNDS; round++) {
  for (const callers of [1, AT_ONCE]) {
    for (const [name, step] of Object.entries(STEPS)) {
      for (const store of STORES) {
        const folder = join(clusters[store].mount(0), `${round}-${callers}`)
        await fs.mkdir(folder, { recursive: true })
        const key = `${name}, ${callers} at once ${store}`
        results.set(key, [...(results.get(key) ?? []), await measure(step, folder, callers)])
      }
    }
  }
}

console.log('| operation | SQLite | PostgreSQL | ratio |')
console.log('| --- | ---: | ---: | ---: |')
for (const callers of [1, AT_ONCE]) {
  for (const name of Object.keys(STEPS)) {
    const row = `${name}, ${callers} at once`
    const [here, there] = STORES.map((store) => median(results.get(`${row} ${store}`) ?? []))
    const ratio = (there! / here!).toFixed(2)
    console.log(`| ${row} | ${here!.toFixed(0)}/s | ${there!.toFixed(0)}/s | ${ratio} |`)
  }
}
