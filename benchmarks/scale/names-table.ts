/**
 * One node per size of volume; all run at once and are measured in turns, so that other load on the
 * machine affects all alike. The names that are looked up have not been looked up before by the
 * kernel or the node: first with the databases only on disk, then with their pages in the page
 * cache, as they are if there is enough memory. Directories have up to a million files.
 */
import { createReadStream, opendirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ClientProcess, type ClientHome } from '../../test/fixtures/client-process.ts'
import { Random } from '../../test/fixtures/random.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { median } from '../median.ts'
import { MEMORY, memoryOf, micros, printHead, printRow, timesOf } from './figures.ts'
import { VolumeFiller, firstDirectoryFiles, placeOf } from './volume-filler.ts'

const ROUNDS = 10
/** Number of lookups in each round. */
const LOOKUPS = 200
const CHANGES = 50
/** Step from one name to the next one that is looked up: a prime, so that none repeats. */
const STRIDE = 7919

interface Sized {
  files: number
  home: ClientHome
  node: ClientProcess
  startMs: number
}

/** Durations of each step of all rounds by volume, µs. */
type Times = ReadonlyMap<Sized, number[]>

export async function printNamesTable(sizes: readonly number[]): Promise<void> {
  const volumes = await startedWith(sizes)
  const random = new Random(1)
  const lookUp = ({ home, files }: Sized, round: number): number[] => {
    return timesOf(LOOKUPS, (at) => {
      statSync(join(home.mount, placeOf(((round * LOOKUPS + at) * STRIDE) % files)))
    })
  }
  const cold = inTurns(volumes, lookUp)
  for (const { home } of volumes) await readWhole(join(home.nvme, 'volume.db'))
  const warm = inTurns(volumes, (volume, round) => lookUp(volume, ROUNDS + round))
  const listed = inTurns(volumes, listing, 1)
  const content = random.bytes(4096)
  const fresh = ({ home }: Sized, at: number): string => join(home.mount, 'd0', `new-${at}`)
  const changing = (change: (volume: Sized, at: number) => void): Times => {
    return inTurns(volumes, (volume, round) => {
      return timesOf(CHANGES, (at) => change(volume, round * CHANGES + at))
    })
  }
  const made = changing((volume, at) => writeFileSync(fresh(volume, at), content))
  const renamed = changing((volume, at) => {
    renameSync(fresh(volume, at), `${fresh(volume, at)}-to`)
  })
  const removed = changing((volume, at) => rmSync(`${fresh(volume, at)}-to`))
  const columns = [cold, warm, listed, made, renamed, removed]
  const titles = ['lookup, cold disk', 'lookup', 'list, a name', 'create 4 KiB', 'rename', 'remove']
  printHead('files', 'start', ...titles, ...MEMORY)
  for (const volume of volumes) {
    const times = columns.map((column) => micros(median(column.get(volume)!)))
    const start = `${(volume.startMs / 1000).toFixed(1)} s`
    printRow(volume.files, start, ...times, ...memoryOf(volume.node))
  }
  for (const { node } of volumes) await node.stop()
}

async function startedWith(sizes: readonly number[]): Promise<Sized[]> {
  const filler = new VolumeFiller()
  const homes: ClientHome[] = []
  for (const files of sizes) homes.push(await filler.home(files))
  const volumes: Sized[] = []
  for (const [at, home] of homes.entries()) {
    await dropKernelCaches('pages and names')
    const started = performance.now()
    const node = await ClientProcess.start(home)
    volumes.push({ files: sizes[at]!, home, node, startMs: performance.now() - started })
  }
  await dropKernelCaches('pages and names')
  return volumes
}

function inTurns(
  volumes: readonly Sized[],
  measure: (volume: Sized, round: number) => number[],
  rounds = ROUNDS,
): Times {
  const times = new Map<Sized, number[]>(volumes.map((volume) => [volume, []]))
  for (let round = 0; round < rounds; round++) {
    for (const volume of volumes) times.get(volume)!.push(...measure(volume, round))
  }
  return times
}

/** Lists all names of the first directory; returns the time per name. */
function listing({ home, files }: Sized): number[] {
  const started = performance.now()
  using directory = opendirSync(join(home.mount, 'd0'), { bufferSize: 1024 })
  let count = 0
  while (directory.readSync() !== null) count++
  if (count !== firstDirectoryFiles(files)) throw new Error(`${count} names are listed`)
  return [((performance.now() - started) * 1000) / count]
}

async function readWhole(path: string): Promise<void> {
  const nowhere = new Writable({ write: (_piece, _encoding, done) => done() })
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), nowhere)
}
