/**
 * `cachefs upgrade`: replaces the running daemon with the installed program. Programs that use the
 * mount see a pause. If the installed program does not start, nothing changes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { daemonLimits } from '../../daemon/limits.ts'
import { addApiFlags, connect } from '../api-flags.ts'
import type { NodeApi, NodeStatus } from '../node-api.ts'
import { print } from '../output.ts'

const POLL_MS = 50

export function addUpgrade(program: Command): void {
  const command = program
    .command('upgrade')
    .description('Replace the running daemon by the installed version without unmounting')
  addApiFlags(command).action(async () => {
    const { api, json } = await connect(command)
    const before = await api.status()
    const startedMs = performance.now()
    await api.upgrade()
    const after = await successor(api, before)
    const tookMs = Math.round(performance.now() - startedMs)
    print({ from: before.version, to: after.version, daemonPid: after.daemonPid, tookMs }, json)
  })
}

async function successor(api: NodeApi, before: NodeStatus): Promise<NodeStatus> {
  const until = performance.now() + daemonLimits.upgradeMs
  while (performance.now() < until) {
    const status = await api.status().catch(() => undefined)
    if (status !== undefined && status.daemonPid !== before.daemonPid) return status
    await sleep(POLL_MS)
  }
  throw new Error('the new daemon does not answer: look into the log of the node')
}
