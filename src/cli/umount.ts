/**
 * `cachefs umount`: stops a node and waits until it has flushed and unmounted; cleans up a mount
 * whose node is gone. Says which of them it did.
 */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { detachMount } from '../fuse/mount-point.ts'
import { findMount } from '../fuse/mount-table.ts'
import { addApiFlags, connect } from './api-flags.ts'
import type { Connection } from './api-flags.ts'
import { addFlags, flag, readFlags } from './flag.ts'
import { parseSeconds } from './node-flags.ts'
import { print } from './output.ts'
import { startOf } from './state-folder.ts'

const POLL_MS = 50
const FLAGS = {
  timeout: flag('120', {
    value: '<seconds>',
    about: 'how long the node may take to flush and unmount',
    parse: parseSeconds,
  }),
}

interface Target {
  mountPoint: string | undefined
  /** The node's process; undefined when none is known to run. */
  pid: number | undefined
}

export function addUmount(program: Command): void {
  const command = program
    .command('umount')
    .argument('[mount-point]', 'of the node; else the one that `cachefs up` started')
    .description('Stop a node: flush, unmount; or clean up the mount of a node that is gone')
  addFlags(addApiFlags(command), FLAGS)
  command.action(async (mountPoint: string | undefined) => {
    const connection = await connect(command)
    const { timeout } = readFlags(command, FLAGS, process.env)
    const target = await find(connection, mountPoint && resolve(mountPoint))
    print(await bringDown(target, timeout), connection.json)
  })
}

async function find({ api, folder }: Connection, wanted: string | undefined): Promise<Target> {
  const record = await folder.running()
  if (record !== undefined && (wanted ?? record.mountPoint) === record.mountPoint) return record
  const status = await api.status().catch(() => undefined)
  if (status !== undefined && (wanted ?? status.mountPoint) === status.mountPoint) {
    return { mountPoint: status.mountPoint, pid: isLocal(api.url) ? status.pid : undefined }
  }
  return { mountPoint: wanted ?? folder.nodeDefaults.mount, pid: undefined }
}

function isLocal(url: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)
}

async function bringDown(
  { mountPoint, pid }: Target,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const startedAt = pid === undefined ? undefined : await startOf(pid)
  const stopped = pid !== undefined && startedAt !== undefined
  if (stopped) await stopProcess(pid, startedAt, timeoutMs)
  const isStale = mountPoint !== undefined && findMount(mountPoint) !== undefined
  if (isStale) await detachMount(mountPoint)
  if (!stopped && !isStale) {
    throw new Error(
      `no node runs here and nothing is mounted at ${mountPoint ?? 'the usual place'}`,
    )
  }
  return { mountPoint, stoppedProcess: stopped ? pid : null, cleanedStaleMount: isStale }
}

async function stopProcess(pid: number, startedAt: string, timeoutMs: number): Promise<void> {
  process.kill(pid, 'SIGTERM')
  const deadlineMs = performance.now() + timeoutMs
  while ((await startOf(pid)) === startedAt) {
    if (performance.now() > deadlineMs) {
      throw new Error(
        `the node (process ${pid}) was asked to stop and is still at it after ` +
          `${timeoutMs / 1000} s: it may be writing to the cloud; look with \`cachefs status\``,
      )
    }
    await sleep(POLL_MS)
  }
}
