/**
 * Several random processes on one mount, with a small cache that evicts constantly. Each does the
 * same on the local file system and must get the same results. Prints its seed; CACHEFS_SEED
 * repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireEqual, shell } from '../../scripts/acceptance/stage.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'

const PROCESSES = 4
const OPERATIONS = 800
const PROGRAM = new URL('./random-process.ts', import.meta.url).pathname

async function work(seed: number, mount: string, reference: string): Promise<void> {
  const args = [PROGRAM, String(seed), String(OPERATIONS), mount, reference]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, said)
}

/** Lists names, types, modes, links, sizes and content. */
function census(root: string): string {
  const names = `find . ! -type d -printf '%P %y %m %n %s %l\\n' -o -printf '%P %y %m %n\\n' | sort`
  const sums = 'find . -type f -print0 | sort -z | xargs -0 -r sha256sum'
  return shell(`${names}; ${sums}`, { cwd: root })
}

test('several processes at random see what they see on ext4', { timeout: 180_000 }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  const flags = ['-chunk-size', '64K', '-nvme-capacity', '4M']
  const client = await ClientProcess.start(home, { flags })
  const mount = join(home.mount, 'work')
  const reference = join(home.directory, 'reference')
  for (const root of [mount, reference]) {
    for (const folder of ['', 'd0', 'd1', 'd2']) mkdirSync(join(root, folder))
  }
  const seeds = Array.from({ length: PROCESSES }, () => random.below(2 ** 31))
  await Promise.all(seeds.map((seed) => work(seed, mount, reference)))
  requireEqual('what they left', census(mount), census(reference))
  await client.act('wait', '/')
  await client.act('evict', '/')
  await client.kill()
  const again = await ClientProcess.start(home, { flags })
  requireEqual('what they left, from the cloud', census(mount), census(reference))
  assert.equal(await again.stop(), 0)
})
