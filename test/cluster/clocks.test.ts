/** The wall clocks of two nodes differ by hours: everything works, in both directions. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { CoordinatorProcess } from '../fixtures/coordinator-process.ts'
import { eventually } from '../fixtures/eventually.ts'

const HOURS_MS = 3 * 3_600_000

/** Options of Node that shift the wall clock of a process and of its threads. */
function shifted(ms: number): string {
  const code = `const Real = Date; globalThis.Date = class extends Real {
    constructor(...args) { args.length ? super(...args) : super(Real.now() + (${ms})) }
    static now() { return Real.now() + (${ms}) }
  }`
  return `--import=data:text/javascript;base64,${Buffer.from(code).toString('base64')}`
}

for (const [name, ms] of [
  ['hours ahead', HOURS_MS],
  ['hours behind', -HOURS_MS],
] as const) {
  test(`a node whose clock is ${name} shares files and replicas with another`, async () => {
    using one = new ClientHome()
    using other = new ClientHome()
    fs.mkdirSync(one.cloud, { recursive: true })
    const data = join(one.directory, 'coordinator')
    const coordinator = new CoordinatorProcess(['-data', data, '-host', '127.0.0.1'])
    await coordinator.start()
    const flags = ['-coordinator', coordinator.address, '-cloud-dir', one.cloud]
    flags.push('-durability', 'peers=1')
    const environment = { NODE_OPTIONS: shifted(ms) }
    const nodes = await Promise.all([
      ClientProcess.start(one, { flags }),
      ClientProcess.start(other, { flags, environment }),
    ])
    try {
      for (const [at, writer] of [one, other].entries()) {
        const reader = writer === one ? other : one
        const content = `from ${at}`
        fs.writeFileSync(join(writer.mount, `file-${at}`), content)
        assert.equal(fs.readFileSync(join(reader.mount, `file-${at}`), 'utf8'), content)
        fs.appendFileSync(join(reader.mount, `file-${at}`), '!')
        assert.equal(fs.readFileSync(join(writer.mount, `file-${at}`), 'utf8'), `${content}!`)
        await nodes[at]!.act('wait', `/file-${at}`)
      }
      fs.writeFileSync(join(other.mount, 'own'), 'own')
      const aheadMs = fs.statSync(join(other.mount, 'own')).ctimeMs - Date.now()
      assert.ok(Math.abs(aheadMs - ms) < HOURS_MS / 3, `its clock is ${aheadMs} ms ahead`)
      await eventually('replicas are released', async () => {
        const all = await Promise.all(nodes.map(async (node) => (await node.status())['held']))
        return all.every((held) => (held as { chunks: number }).chunks === 0)
      })
      for (const node of nodes) assert.equal((await node.status())['status'], 'ok')
    } finally {
      for (const node of nodes) await node.stop()
      await coordinator.kill()
    }
  })
}
