/**
 * One node in this process, from start to a clean end. SIGINT, SIGTERM or SIGHUP stop it and the
 * process ends with status 0; a second signal does not wait any longer. Nothing that goes wrong is
 * silent: a lost promise is logged, an exception that nobody caught stops the node.
 */
import { configureLogging, loggerOf } from '../base/logger.ts'
import type { Logger } from '../base/logger.ts'
import { abortMountSync } from '../fuse/mount.ts'
import type { NodeOptions } from './node-options.ts'
import type { RunningNode } from './running-node.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** The terminal and a wrapper (npm, a shell) may both deliver one Ctrl-C; ms. */
const SAME_SIGNAL_MS = 300
/** What is still open after a clean stop does not keep the process; ms. */
const LINGER_MS = 3000
/** Longest delay that a timer takes; ms. */
const ALWAYS_MS = 2 ** 31 - 1

export async function runInForeground(
  options: NodeOptions,
  announce: (node: RunningNode) => void | Promise<void>,
): Promise<void> {
  configureLogging({ level: options.logLevel, format: options.logFormat })
  const logger = loggerOf('CLIENT')
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'a promise failed that nobody waited for')
  })
  const ended = Promise.race([stopAsked(options.mountPoint), uncaughtException(logger)])
  // Handled below; until then a failure must not count as a lost promise.
  ended.catch(() => undefined)
  // What a node waits for may be all unreferenced; the process lives until it has stopped.
  const alive = setInterval(() => undefined, ALWAYS_MS)
  try {
    const { startNode } = await import('./node.ts')
    const node = await startNode(options, { logger })
    try {
      await announce(node)
      const signal = await Promise.race([ended, node.failed])
      logger.info(`${signal}: stopping (a second signal does not wait)`)
    } finally {
      await node.stop()
    }
  } finally {
    clearInterval(alive)
    endSoon()
  }
}

/** Resolves with the first signal; the next one ends the process on the spot. */
function stopAsked(mountPoint: string): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let firstMs: number | undefined
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (firstMs !== undefined && performance.now() - firstMs > SAME_SIGNAL_MS) quit(mountPoint)
      firstMs ??= performance.now()
      resolve(signal)
    })
  }
  return promise
}

/** Leaves no dead mount behind. SIGKILL: a worker that is reading /dev/fuse holds up an exit. */
function quit(mountPoint: string): void {
  abortMountSync(mountPoint)
  process.kill(process.pid, 'SIGKILL')
}

function uncaughtException(logger: Logger): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'an exception that nobody caught: stopping')
    reject(error)
  })
  return promise
}

function endSoon(): void {
  setTimeout(() => {
    // eslint-disable-next-line no-restricted-syntax -- unmounted: no worker reads /dev/fuse now
    process.exit()
  }, LINGER_MS).unref()
}
