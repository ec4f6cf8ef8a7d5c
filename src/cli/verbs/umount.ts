/**
 * `cachefs umount`: stops a node and waits until it has flushed and unmounted, or removes a stale
 * mount whose node is gone. Prints which of the two it did.
 */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { FsError } from '../../base/fs-error.ts'
import { detachMount } from '../../fuse/mount/mount-point.ts'
import { findMount } from '../../fuse/mount/mount-table.ts'
import { addApiFlags, wishOf, type Wish } from '../api-flags.ts'
import { addFlags, flag, readFlags, switchFlag } from '../../options/flag.ts'
import { parseSeconds } from '../../options/node-flags.ts'
import { findLocalMount, programOf } from '../../machine/local-mount.ts'
import { usersOf } from '../../machine/mount-users.ts'
import { chooseNode } from '../node-choice.ts'
import { print } from '../output.ts'
import { startOf } from '../../machine/process-start.ts'
import { runningIn, type RunningRecord } from '../../machine/running-record.ts'
import { StateFolder } from '../../machine/state-folder.ts'
import { UsageError } from '../../options/usage-error.ts'

const POLL_MS = 50
const FLAGS = {
  timeout: flag('120', {
    value: '<seconds>',
    about: 'timeout of flushing and unmounting',
    parse: parseSeconds,
  }),
  force: switchFlag('unmount even if programs use the mount; their system calls then fail'),
}
/** Number of processes named in the error. */
const NAMED_USERS = 5

interface Target {
  mountPoint?: string | undefined
  /** Process of the node; undefined if none is known to run. */
  pid: number | undefined
}

export function addUmount(program: Command): void {
  const command = program
    .command('umount')
    .argument('[mount-point]', 'mount point of the node; default: that of `cachefs up`')
    .description('Stop a node and unmount it, or remove the mount of a node that has died')
    .addHelpText(
      'after',
      '\nA mount that is in use stays mounted (EBUSY), unless --force is given.',
    )
  addFlags(addApiFlags(command), FLAGS)
  command.action(async (mountPoint: string | undefined) => {
    const wish = wishOf(command)
    const { timeout, force } = readFlags(command, FLAGS, process.env)
    const target = mountPoint === undefined ? await findNode(wish) : await findAt(mountPoint, wish)
    if (!force) await requireUnused(target)
    print(await bringDown(target, timeout), wish.json)
  })
}

/** Without a mount point: the node that the flags name, or the default one. */
async function findNode(wish: Wish): Promise<Target> {
  const folder = new StateFolder(wish.dir)
  const running = await fileMountIn(wish.dir)
  if (running !== undefined) return { mountPoint: running.mountPoint, pid: running.pid }
  const chosen = await chooseNode(wish).catch((error: unknown) => {
    // The node may have left a stale mount.
    if (wish.dir !== undefined && !(error instanceof UsageError)) return undefined
    throw error
  })
  const { record } = chosen ?? {}
  if (wish.api !== undefined && record === undefined) {
    throw new Error(`no node of this machine is known at ${wish.api}: give its mount point`)
  }
  return record ?? { mountPoint: folder.nodeDefaults.mount, pid: undefined }
}

async function fileMountIn(dir: string | undefined): Promise<RunningRecord | undefined> {
  return dir === undefined ? undefined : await runningIn(dir, 'mount')
}

async function findAt(text: string, wish: Wish): Promise<Target> {
  const mount = await findLocalMount(text)
  const record = mount && (await programOf(mount))
  if (mount === undefined || record === undefined)
    return { mountPoint: resolve(text), pid: undefined }
  const { mountPoint, isRoot } = mount
  if (!isRoot) throw new Error(`${text} is no mount point: the mount is ${mountPoint}`)
  if (record.mountPoint !== mountPoint) {
    const what = `${text} is a bind mount of ${record.mountPoint}`
    throw new Error(`${what}: \`umount ${text}\` takes it away`)
  }
  const dir = wish.dir ?? record.folder
  const isMeant = dir === record.folder && (wish.api ?? record.apiUrl) === record.apiUrl
  if (isMeant) return { mountPoint, pid: record.pid }
  throw new UsageError(`${text} belongs to the node in ${record.folder}: leave --dir and --api out`)
}

/** EBUSY if processes use the mount of a running node. Users of a stale mount get errors anyway. */
async function requireUnused({ mountPoint, pid }: Target): Promise<void> {
  if (mountPoint === undefined || pid === undefined) return
  const users = await usersOf(mountPoint, NAMED_USERS + 1)
  if (users.length === 0) return
  const named = users.slice(0, NAMED_USERS)
  const list = named.map(({ name, pid: user, how }) => `${name} (process ${user}) ${how}`)
  const more = users.length > NAMED_USERS ? ['and others'] : []
  const what = [...list, ...more].join('; ')
  const advice = 'end them, or take it from them with --force'
  throw new FsError('EBUSY', `${mountPoint} is in use: ${what}. ${advice}`, { path: mountPoint })
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
