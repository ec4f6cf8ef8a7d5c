/**
 * The daemon of a node in a cluster is killed repeatedly while programs work on it and on another
 * node: no program sees an error, nothing is executed twice, and locks are kept. `CACHEFS_KILLS`
 * sets the number of kills (6).
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'
import { SteadyProgram, killDaemon } from '../fixtures/steady-programs.ts'

const KILLS = Number(process.env['CACHEFS_KILLS'] ?? 6)
const WORKS = ['names', 'appends', 'contents', 'orphans', 'counts']

test('programs of a cluster do not notice either', { timeout: 300_000 }, async (t) => {
  await using cluster = await Cluster.start({ nodes: 2 })
  writeFileSync(join(cluster.mount(0), 'counter'), '0')
  const programs = WORKS.map((work) => new SteadyProgram(work, cluster.mount(0)))
  const other = new SteadyProgram('counts', cluster.mount(1))
  for (let kill = 0; kill < KILLS; kill++) {
    await killDaemon(cluster.nodes[0]!)
    for (const program of [...programs, other]) await program.check()
  }
  let counted = await other.finish()
  for (const program of programs) {
    const rounds = await program.finish()
    t.diagnostic(`${program.work}: ${rounds} rounds`)
    assert.ok(rounds > 0, `${program.work} went on`)
    if (program.work === 'counts') counted += rounds
  }
  for (const work of ['names', 'orphans']) {
    assert.deepEqual(readdirSync(join(cluster.mount(1), work)), [])
  }
  assert.equal(Number(readFileSync(join(cluster.mount(1), 'counter'), 'utf8')), counted)
})
