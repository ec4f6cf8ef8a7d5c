/** What the kernel caches, and its invalidation by notifications. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs/promises'
import { openSync, readFileSync, unlinkSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTENT, SLOW_TREE } from './fuse-slow-tree.ts'
import { mountSlowTree, run, withFuse } from './fuse-scratch.ts'

/** A trace file, and counts of requests in it. */
function traceFile(t: { after(fn: () => void): void }) {
  const path = join(tmpdir(), `cachefs-trace-${process.pid}-${Date.now()}`)
  const fd = openSync(path, 'a')
  // Not closed: the mount ends after this hook and writes to it until then, and the number of a
  // closed descriptor would soon be in use for another file.
  t.after(() => unlinkSync(path))
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n')
  return { fd, lines, count: (what: RegExp) => lines().filter((it) => what.test(it)).length }
}

const forEver = { entryMs: Infinity, attributesMs: Infinity, negativeMs: Infinity }

describe('notifications', withFuse, () => {
  test('a name and its absence are remembered until they are invalidated', async (t) => {
    const trace = traceFile(t)
    const { server, path } = await mountSlowTree(t, { timeouts: forEver, traceFd: trace.fd })
    for (const name of ['plain', 'absent']) {
      const looks = new RegExp(`LOOKUP ino=1 "${name}"`)
      await fs.stat(path(name)).catch(() => undefined)
      await fs.stat(path(name)).catch(() => undefined)
      assert.equal(trace.count(looks), 1)
      await server.invalidateEntry(1, Buffer.from(name))
      await fs.stat(path(name)).catch(() => undefined)
      assert.equal(trace.count(looks), 2)
    }
    assert.match(trace.lines().join('\n'), /LOOKUP ino=1 "plain" -> 128 bytes \d+us/)
  })

  test('attributes and pages are remembered until they are invalidated', async (t) => {
    const trace = traceFile(t)
    const { server, path } = await mountSlowTree(t, { timeouts: forEver, traceFd: trace.fd })
    const read = () => fs.readFile(path('plain'))
    await read()
    await read()
    assert.equal(trace.count(/ READ ino=17 /), 1)
    await server.invalidateInode(SLOW_TREE.plain)
    assert.ok(CONTENT.equals(await read()))
    assert.equal(trace.count(/ READ ino=17 /), 2)
    assert.ok(trace.count(/ GETATTR ino=17 /) >= 1)
  })

  test('what the kernel does not know is forgotten easily', async (t) => {
    const { server } = await mountSlowTree(t)
    await server.invalidateInode(123_456)
    await server.invalidateEntry(1, Buffer.from('never heard of'))
    await assert.rejects(server.invalidateEntry(1, Buffer.alloc(0)), { code: 'EINVAL' })
  })

  test('what a waiting read holds is forgotten after it, and nothing else waits', async (t) => {
    const gate = Promise.withResolvers<undefined>()
    const { server, path, release } = await mountSlowTree(t, { resolveWait: () => gate.promise })
    const reading = run('cat', path('slow-read'))
    while (server.waitingRequests === 0) await delay(5)
    let forgotten = false
    const forgetting = server.invalidateInode(SLOW_TREE['slow-read']).then(() => (forgotten = true))
    await delay(200)
    assert.equal(forgotten, false)
    await fs.stat(path('f1'))
    release()
    gate.resolve(undefined)
    assert.equal((await reading).stdout, CONTENT.toString())
    await forgetting
  })
})
