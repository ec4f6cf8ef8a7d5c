/** A node of another release with nodes of this one, as during an upgrade. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { eventually } from '../fixtures/eventually.ts'

const ROOT = new URL('../..', import.meta.url).pathname

/** Copies this program with another version and other texts of all statements that change rows. */
function otherRelease(directory: string): string {
  cpSync(join(ROOT, 'src'), join(directory, 'src'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  const description = readFileSync(join(ROOT, 'package.json'), 'utf8')
  writeFileSync(join(directory, 'package.json'), description.replace(/"version": "[^"]*"/, VERSION))
  let changed = 0
  for (const name of readdirSync(join(directory, 'src/metadata'))) {
    if (!name.endsWith('-rules.ts')) continue
    const path = join(directory, 'src/metadata', name)
    const text = readFileSync(path, 'utf8')
    const other = text.replaceAll(/(['`])(UPDATE|INSERT INTO|DELETE FROM) /g, '$1$2  ')
    if (other !== text) changed++
    writeFileSync(path, other)
  }
  assert.ok(changed >= 4, 'the statements are in src/metadata/*-rules.ts')
  return join(directory, 'src/cli/client.ts')
}

const VERSION = '"version": "99.0.0"'

test('nodes of two releases have the same names and bytes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cachefs-release-'))
  try {
    await using cluster = await Cluster.start({ nodes: 1 })
    const entry = otherRelease(directory)
    using home = new ClientHome()
    const { host } = new URL(cluster.coordinatorUrl)
    const flags = ['-coordinator', host, '-peer-id', 'other', '-cloud-dir', cluster.cloud]
    const other = await ClientProcess.start(home, {
      entry,
      flags: [...flags, '-cloud-provider', 'file', '-api-key', cluster.nodes[0]!.key],
    })
    const [here, there] = [cluster.mount(0), home.mount]
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      const name = from === here ? 'a' : 'b'
      writeFileSync(join(from, name), `written to ${name}`)
      assert.equal(readFileSync(join(to, name), 'utf8'), `written to ${name}`)
      writeFileSync(join(to, name), 'replaced on the other node')
      assert.equal(readFileSync(join(from, name), 'utf8'), 'replaced on the other node')
      rmSync(join(to, name))
      assert.ok(!readdirSync(from).includes(name))
    }
    await eventually('the coordinator lists both versions', async () => {
      const response = await cluster.fetch(`${cluster.coordinatorUrl}/api/peers`)
      return (await response.text()).includes('99.0.0')
    })
    assert.equal(await other.stop(), 0)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
