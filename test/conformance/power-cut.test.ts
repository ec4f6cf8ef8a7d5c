/**
 * Synced data survives a power cut. Each table runs in one go, on ext4 first and then on each kind
 * of node. The node's disk is shut down (the shutdown ioctl of ext4, which drops everything that is
 * not on disk), and the node starts again on the remaining data.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Case } from './case.ts'
import { powerTargets, type PowerTarget } from './power-places.ts'
import { Stage, type Transcript } from './stage.ts'
import { powerTables } from './tables.ts'
import { complaint } from './verdict.ts'

const wanted = new RegExp(process.env['CASE'] ?? '')
const tables = powerTables
  .map((cases) => cases.filter(({ name }) => wanted.test(name)))
  .filter((cases) => cases.length > 0)
const proofs = new Map<string, Transcript>()

async function play(target: PowerTarget, cases: readonly Case[]): Promise<Transcript[]> {
  await using place = await target.open()
  await using stage = new Stage(place.directory)
  const played: { folder: string; results: string[] }[] = []
  for (const { steps } of cases) {
    const folder = stage.prepare()
    played.push({ folder, results: await stage.run(steps, folder, true) })
  }
  place.cut()
  await stage.release()
  await place.restore()
  const transcripts: Transcript[] = []
  for (const [at, { name, afterCut = [] }] of cases.entries()) {
    const { folder, results } = played[at]!
    transcripts.push({ name, results: [...results, ...(await stage.run(afterCut, folder))] })
  }
  return transcripts
}

async function playAll(t: TestContext, target: PowerTarget, cases: readonly Case[]) {
  const transcripts = await play(target, cases)
  const wrong = cases.flatMap((it, at) => {
    if (!proofs.has(it.name)) proofs.set(it.name, transcripts[at]!)
    return complaint(it, target.name, transcripts[at]!, proofs.get(it.name)) ?? []
  })
  t.diagnostic(`${cases.length} cases, ${wrong.length} of them wrong`)
  assert.equal(wrong.length, 0, wrong.join('\n'))
}

for (const target of powerTargets) {
  for (const cases of tables) {
    const title = cases[0]!.name.split(':')[0]!
    test(`${title}, on ${target.name}`, (t) => playAll(t, target, cases))
  }
}
