/**
 * All cases of the tables: on plain ext4, which validates them, then on each kind of mount.
 * differences.ts gives the reason of every deviation of a mount. `CASE=PATTERN` runs only matching
 * cases.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Case } from './case.ts'
import { Stage, type Transcript } from './stage.ts'
import { tables } from './tables.ts'
import { ext4, mounts, type Target } from './targets.ts'
import { complaint } from './verdict.ts'

const wanted = new RegExp(process.env['CASE'] ?? '')
const cases = tables.flat().filter(({ name, afterCut }) => !afterCut && wanted.test(name))
const proofs = new Map<string, Transcript>()

async function playAll(t: TestContext, target: Target): Promise<void> {
  await using place = await target.open()
  await using stage = new Stage(place.directory)
  const wrong: string[] = []
  for (const it of cases) {
    const transcript = await stage.play(it)
    if (target === ext4) proofs.set(it.name, transcript)
    const found = complaint(it, target.name, transcript, proofs.get(it.name))
    if (found !== undefined) wrong.push(found)
  }
  t.diagnostic(`${cases.length} cases, ${wrong.length} of them wrong`)
  assert.equal(wrong.length, 0, wrong.join('\n'))
}

test('titles are unique', () => {
  const names = tables.flat().map(({ name }: Case) => name)
  const twice = names.filter((name, at) => names.indexOf(name) !== at)
  assert.deepEqual(twice, [])
})

for (const target of [ext4, ...mounts]) test(`cases on ${target.name}`, (t) => playAll(t, target))
