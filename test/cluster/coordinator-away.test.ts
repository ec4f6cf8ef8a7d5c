/**
 * Behaviour of programs while the coordinator is unreachable: open files can be read, everything
 * else fails with ETIMEDOUT in bounded time or when interrupted, and writers continue afterwards.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { limits } from '../../src/limits.ts'
import { censusOf } from '../fixtures/census.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'
import { interrupted } from '../fixtures/interrupted.ts'

const FLAGS = ['-chunk-size', '64K', '-nvme-capacity', '50M']
const LIMIT = { timeout: 180_000 }

/** Writes to a file and keeps it open; writes more when `goOn` is called. */
function writer(path: string): { goOn: () => Promise<void> } {
  const script = 'exec 3<>"$0"; printf "written before, " >&3; echo; read x; printf after >&3'
  const child = spawn('sh', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const wrote = once(child.stdout, 'data')
  const goOn = async (): Promise<void> => {
    await wrote
    child.stdin.end('\n')
    assert.deepEqual(await ended, [0, null])
  }
  return { goOn }
}

test('a coordinator that stays away: cached reads, ETIMEDOUT, Ctrl-C', LIMIT, async () => {
  await using cluster = await Cluster.start({ nodes: 2, flags: FLAGS })
  const [here, there] = [cluster.mount(0), cluster.mount(1)]
  const content = Buffer.alloc(200_000, 'content')
  for (const name of ['file', 'written', 'closed']) writeFileSync(join(here, name), content)
  await using open = await fs.open(join(here, 'file'))
  assert.ok(readFileSync(join(there, 'file')).equals(content))
  const writing = writer(join(here, 'written'))
  const closed = await fs.open(join(here, 'closed'), 'r+')
  await closed.write('written before', 0)
  await delay(500)
  await cluster.killCoordinator()
  const began = performance.now()
  assert.equal(statSync(join(there, 'file')).size, content.length, 'a copy that may be believed')
  // As many calls as there are threads; made before a child is started, which closes the files that
  // it inherits.
  const failing: Promise<unknown>[] = [closed.close(), fs.mkdir(join(here, 'directory'))]
  await delay(200)
  const interrupting = interrupted('cp', [join(here, 'file'), join(there, 'copy')])
  failing.push(fs.rename(join(there, 'file'), join(there, 'other')))
  await delay(limits.linkTtlMs)
  failing.push(fs.readFile(join(here, 'file')))
  const seen = Buffer.alloc(content.length)
  readSync(open.fd, seen, 0, seen.length, 0)
  assert.ok(seen.equals(content), 'what is open stays readable')
  const outcomes = await Promise.allSettled(failing)
  const ms = Math.round(performance.now() - began)
  assert.ok(ms < limits.linkTtlMs + limits.linkOperationMs + 5000, `${ms} ms`)
  for (const outcome of outcomes) {
    assert.equal(outcome.status, 'rejected')
    assert.equal((outcome.reason as NodeJS.ErrnoException).code, 'ETIMEDOUT')
  }
  assert.equal(await interrupting, 'SIGINT')
  await cluster.startCoordinator()
  await writing.goOn()
  await eventually('what was not committed at its close is, later', () => {
    return readFileSync(join(there, 'closed')).includes('written before')
  })
  for (const mount of [here, there]) {
    const text = readFileSync(join(mount, 'written'), 'latin1')
    assert.equal(text.slice(0, 21), 'written before, after')
    assert.equal(text.length, content.length)
  }
  assert.deepEqual(censusOf(here), censusOf(there))
})
