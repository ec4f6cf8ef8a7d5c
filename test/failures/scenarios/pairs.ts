/** Two simultaneous faults: of two nodes, and of a node and the coordinator. */
import { test } from 'node:test'
import { NODE_FAULTS, coordinatorKilled, type Fault } from '../faults.ts'
import { survive } from '../scenario.ts'

const PAIRS = NODE_FAULTS.flatMap((first, at): [Fault, Fault][] => [
  ...NODE_FAULTS.slice(at).map((second): [Fault, Fault] => [first, second]),
  [first, coordinatorKilled],
])

for (const [first, second] of PAIRS) {
  test(`${first.name}, and ${second.name}`, { timeout: 240_000 }, async (t) => {
    await survive(t, [
      [
        [first, 0],
        [second, 1],
      ],
    ])
  })
}
