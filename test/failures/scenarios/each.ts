/** Every fault of one machine, alone. */
import { test } from 'node:test'
import { NODE_FAULTS, coordinatorCut, coordinatorKilled } from '../faults.ts'
import { survive } from '../scenario.ts'

for (const fault of [...NODE_FAULTS, coordinatorCut, coordinatorKilled]) {
  test(fault.name, { timeout: 240_000 }, async (t) => {
    await survive(t, [[[fault, 0]]])
  })
}
