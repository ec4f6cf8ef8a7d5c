/** A copy of the directory of a node that runs (a cloned machine) cannot be that node too. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'

test('a node on a copy of the directory of another is refused, and told why', async () => {
  await using cluster = await Cluster.start({ nodes: 1, store: 'sqlite' })
  fs.writeFileSync(join(cluster.mount(0), 'file'), 'before')
  await cluster.nodes[0]!.act('wait', '/')
  using copy = new ClientHome()
  fs.cpSync(cluster.homes[0]!.nvme, copy.nvme, { recursive: true })
  const { host } = new URL(cluster.coordinatorUrl)
  const cloud = ['-cloud-dir', cluster.cloud]
  const flags = ['-coordinator', host, '-peer-id', 'n0', ...cloud]
  await assert.rejects(ClientProcess.start(copy, { flags }), /was its -nvme directory copied\?/)
  fs.writeFileSync(join(cluster.mount(0), 'file'), 'after')
  assert.equal(fs.readFileSync(join(cluster.mount(0), 'file'), 'utf8'), 'after')
})
