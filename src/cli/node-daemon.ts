/**
 * The daemon of a supervisor (supervisor.ts): one node, in a process that may die at any moment. It
 * is told everything by its parent, so that no secret is among its arguments, and ends with it.
 */
import { describe } from '../base/fs-error.ts'
import { signalWithParent } from '../base/native-calls.ts'
import { abortMountSync } from '../fuse/mount.ts'
import { CONNECTION_FD, type DaemonMessage, type StartMessage } from './daemon-protocol.ts'
import { runInForeground } from './foreground.ts'
import { startNode } from './node.ts'

const SIGKILL = 9

signalWithParent(SIGKILL)
process.on('disconnect', die)
const { promise: told, resolve } = Promise.withResolvers<StartMessage>()
process.once('message', resolve)
const { options, resumed, restarts } = await told

try {
  await runInForeground({
    subsystem: 'CLIENT',
    options,
    start: (logger) => {
      const connection = { fd: CONNECTION_FD, resumed }
      return startNode(options, { logger, daemon: { connection, restarts, die, replace } })
    },
    announce: ({ mount, apiUrl }) => tell({ kind: 'ready', mount, apiUrl }),
    abandon: () => abortMountSync(options.mountPoint),
    onCrash: die,
  })
} catch (error) {
  tell({ kind: 'failed', message: describe(error) })
  process.exitCode = 1
} finally {
  process.off('disconnect', die)
  process.disconnect?.()
}

function tell(message: DaemonMessage): void {
  process.send?.(message)
}

/** At once: a thread that reads /dev/fuse holds up every other end. The supervisor goes on. */
function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

function replace(): void {
  process.send?.({ kind: 'replace' } satisfies DaemonMessage, die)
}
