/**
 * SQLite on the mount, with a rollback journal and with a write-ahead log: first the writer is
 * killed, then the node; afterwards the database must be intact and have all committed rows.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Stage } from './stage.ts'

const WRITER = new URL('./sqlite-writer.ts', import.meta.url).pathname

export async function sqliteStep(
  stage: Stage,
  { rounds, runMs }: { rounds: number; runMs: number },
): Promise<void> {
  const directory = stage.onMount('sqlite')
  for (const mode of ['DELETE', 'WAL']) {
    const file = join(directory, `${mode.toLowerCase()}.db`)
    let last = 0
    for (let round = 0; round < rounds; round++) {
      last = await writeAndKill(file, mode, runMs)
      requireWhole(file, last)
    }
    stage.say(`sqlite: ${mode}: ${rounds} times kill -9 of the writer, last at row ${last}; whole`)
    await stage.evictAll()
    await stage.restart()
    requireWhole(file, last)
    stage.say(`sqlite: ${mode}: evicted, node killed and started; whole`)
  }
}

/** The last committed row. */
async function writeAndKill(file: string, mode: string, runMs: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, file, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child.stdout, 'data')
  setTimeout(() => child.kill('SIGKILL'), runMs)
  await once(child, 'close')
  return Number(output.trim().split('\n').at(-1))
}

function requireWhole(file: string, last: number): void {
  const database = new DatabaseSync(file)
  try {
    const { integrity_check: result } = database.prepare('PRAGMA integrity_check').get()!
    if (result !== 'ok') throw new Error(`${file}: integrity_check says ${String(result)}`)
    const { highest } = database.prepare('SELECT MAX(id) AS highest FROM row').get()!
    if (Number(highest) < last) {
      throw new Error(`${file}: row ${last} was committed, the last one is ${String(highest)}`)
    }
  } finally {
    database.close()
  }
}
