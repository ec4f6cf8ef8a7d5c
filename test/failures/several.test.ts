/**
 * The hardest faults in one run, one after the other and on several machines at once, under one
 * load. scenarios/ has every fault and every pair.
 */
import { test } from 'node:test'
import { NODE_FAULTS, coordinatorKilled } from './faults.ts'
import { survive } from './scenario.ts'

const [killed, paused, cutFromCoordinator, cutFromPeers, cutFromCloud] = NODE_FAULTS

test('nodes killed, paused and cut off, a coordinator killed', { timeout: 240_000 }, async (t) => {
  await survive(t, [
    [
      [cutFromCoordinator!, 0],
      [cutFromCloud!, 1],
    ],
    [
      [killed!, 1],
      [coordinatorKilled, 0],
    ],
    [
      [paused!, 0],
      [cutFromPeers!, 2],
    ],
  ])
})
