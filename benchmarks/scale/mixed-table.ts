/**
 * Mixed load: readers of cold files, writers that overwrite pending data, programs that create
 * small files, copy and remove trees, list everything, and request statistics. The written data is
 * checked at the end, after it was uploaded and evicted.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MEMORY, memoryOf, printHead, printRow } from './figures.ts'
import { run } from './shell.ts'

const SECONDS = 30
const COLD_FILES = 8
const COLD_MIB = 128
const SOURCES = new URL('../../src', import.meta.url).pathname

export async function printMixedTable(): Promise<void> {
  printHead('all at once', 'before', 'first 10 s', `${SECONDS} s`, MEMORY[1])
  using home = new ClientHome()
  const node = await ClientProcess.start(home)
  const cold = join(home.mount, 'cold')
  mkdirSync(cold)
  const fill = `dd if=/dev/urandom of=$f bs=1M count=${COLD_MIB} status=none`
  await run(`cd ${cold} && for f in $(seq ${COLD_FILES}); do ${fill}; done`)
  await node.act('wait', '/')
  await node.act('evict', '/')
  await dropKernelCaches('pages and names')
  const [before] = memoryOf(node)
  const running = Promise.all(programs(home.mount, node).map(repeat))
  await delay(10_000)
  const [early] = memoryOf(node)
  await running
  const [late, supervisor] = memoryOf(node)
  const sums = await sumsOf(home.mount)
  await node.act('wait', '/')
  await node.act('evict', '/')
  await dropKernelCaches('pages and names')
  if ((await sumsOf(home.mount)) !== sums) throw new Error('other bytes are read from the cloud')
  printRow('daemon, most', before!, early!, late!, supervisor!)
  await node.stop()
}

function programs(mount: string, { api, key }: ClientProcess): string[] {
  const numbered = (count: number, program: (at: number) => string): string[] => {
    return Array.from({ length: count }, (_, at) => program(at))
  }
  return [
    ...numbered(COLD_FILES, (at) => `cat ${mount}/cold/${at + 1} > /dev/null; sleep 1`),
    ...numbered(2, (at) => {
      return `dd if=/dev/zero of=${mount}/over${at} bs=1M count=256 conv=notrunc status=none`
    }),
    ...numbered(3, (at) => {
      return `d=${mount}/small${at}/$i; mkdir -p $d; for f in $(seq 200); do echo $i > $d/$f; done`
    }),
    `cp -r ${SOURCES} ${mount}/tree$i; rm -r ${mount}/tree$i`,
    `ls -lR ${mount} > /dev/null 2>&1 || true`,
    `curl -s -H 'x-api-key: ${key}' ${api}/api/status ${api}/metrics > /dev/null`,
  ]
}

/** Repeats the command; `$i` is the number of the round. */
function repeat(program: string): Promise<string> {
  const rounds = `end=$(($(date +%s) + ${SECONDS})); i=0`
  return run(`${rounds}; while [ $(date +%s) -lt $end ]; do i=$((i + 1)); ${program}; done`)
}

function sumsOf(mount: string): Promise<string> {
  return run(`cd ${mount} && find . -type f | sort | xargs cat | md5sum`)
}
