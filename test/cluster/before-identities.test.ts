/** The upgrade of a cluster whose nodes had no keys of their own yet. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Cluster } from '../fixtures/cluster.ts'

/** Removes what a release without identities did not have. */
function downgrade(path: string): void {
  const database = new DatabaseSync(path)
  database.exec('DROP TABLE node; DROP TABLE number_range')
  database.close()
}

test('a cluster from before node identities starts, and registers its nodes', async () => {
  await using cluster = await Cluster.start({ nodes: 1, store: 'sqlite' })
  const path = join(cluster.mount(0), 'file')
  fs.writeFileSync(path, 'before')
  const { nvme } = cluster.homes[0]!
  await cluster.nodes[0]!.stop()
  await cluster.killCoordinator('SIGTERM')
  for (const folder of [nvme, cluster.dataOf(0)]) downgrade(join(folder, 'volume.db'))
  fs.rmSync(join(nvme, 'node-key'))

  await cluster.startCoordinator()
  await cluster.restart(0)
  assert.equal(fs.readFileSync(path, 'utf8'), 'before')
  fs.writeFileSync(path, 'after')
  fs.writeFileSync(join(cluster.mount(0), 'another'), 'new')
  await cluster.nodes[0]!.act('wait', '/')
  assert.equal(fs.readFileSync(path, 'utf8'), 'after')
  assert.ok(fs.existsSync(join(nvme, 'node-key')))
})
