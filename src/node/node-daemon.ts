/**
 * Main module of the daemon process of a supervisor (daemon/supervisor.ts): runs one node, and may
 * die at any moment. It receives its options in a message from its parent, so that no secret is
 * among its arguments. It is killed when its parent ends.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { FsError, describe } from '../base/fs-error.ts'
import { signalWithParent } from '../base/native-calls.ts'
import { abortMountSync } from '../fuse/mount/mount.ts'
import { nodeLimits } from './limits.ts'
import { CONNECTION_FD, type DaemonMessage, type StartMessage } from '../daemon/daemon-protocol.ts'
import { runInForeground } from '../daemon/foreground.ts'
import { startNode } from './node.ts'
import { SupervisedNotifications } from '../daemon/supervised-notifications.ts'

const SIGKILL = 9
/** Argument of a trial run: the process loads all modules and exits without serving. */
const CHECK = '--check'
/**
 * Makes V8 count external buffers in proportion to all memory in use. Otherwise it would collect
 * its whole heap after every few tens of MiB from the network, which costs as much as reading them.
 */
const COUNT_BUFFERS = '--external-memory-accounted-in-global-limit'

if (process.argv[2] !== CHECK) await serve()

async function serve(): Promise<void> {
  signalWithParent(SIGKILL)
  setFlagsFromString(COUNT_BUFFERS)
  process.on('disconnect', die)
  const { promise: told, resolve } = Promise.withResolvers<StartMessage>()
  process.once('message', resolve)
  try {
    await runNode(await told)
  } catch (error) {
    tell({ kind: 'failed', message: describe(error) })
    process.exitCode = 1
  } finally {
    process.off('disconnect', die)
    process.disconnect?.()
  }
}

async function runNode({ options, resumed, ...start }: StartMessage): Promise<void> {
  const notifications = new SupervisedNotifications()
  const connection = { fd: CONNECTION_FD, resumed, notifications }
  const daemon = { ...start, connection, supervisorPid: process.ppid, die, replace, checkProgram }
  await runInForeground({
    subsystem: 'CLIENT',
    options,
    start: (logger) => startNode(options, { logger, daemon }),
    announce: ({ mount, apiUrl }) => tell({ kind: 'ready', mount, apiUrl }),
    abandon: () => abortMountSync(options.mountPoint),
    onCrash: die,
    isSupervised: true,
  })
}

function tell(message: DaemonMessage): void {
  process.send?.(message)
}

/**
 * SIGKILL: a thread that blocks in read(/dev/fuse) would delay any other exit. The supervisor
 * starts a successor.
 */
function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

function replace(): void {
  process.send?.({ kind: 'replace' } satisfies DaemonMessage, die)
}

async function checkProgram(): Promise<void> {
  const [program = '', script = ''] = process.argv
  try {
    const args = [...process.execArgv, script, CHECK]
    await promisify(execFile)(program, args, { timeout: nodeLimits.programCheckMs })
  } catch (cause) {
    const message = 'the program that is installed does not start: the running one goes on'
    throw new FsError('EIO', message, { cause })
  }
}
