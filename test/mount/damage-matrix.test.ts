/** A few fixed cells of the damage matrix; `make test-long` runs all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCase } from '../fixtures/damage-case.ts'
import { allCases } from '../fixtures/damage-table.ts'

const SEED = 1
const CELLS: Record<string, string> = {
  'backing file of a durable file, emptied, stopped': 'right',
  'backing file that waits for upload, pipe, killed': 'lost',
}

test('nothing damaged is given as data', async () => {
  const cases = allCases().filter(({ name }) => name in CELLS)
  const results = cases.map(async (each) => [each.name, await runCase(each, SEED)] as const)
  assert.deepEqual(Object.fromEntries(await Promise.all(results)), CELLS)
})
