/**
 * The worst of it in one run: failures one after the other, of several machines at once, under one
 * load. scenarios/ has each of them, and each pair.
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
