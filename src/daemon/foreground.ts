/**
 * Runs a node or a coordinator in this process, from start to a clean end. SIGINT, SIGTERM or
 * SIGHUP stop it, and the process exits with status 0; a second signal ends the process at once.
 * Every failure is visible: an unhandled rejection is logged, an uncaught exception stops the
 * program. A service manager is notified when the program is ready and when it stops.
 */
import { configureLogging, loggerOf } from '../base/log/logger.ts'
import type { LogFormat, LogLevel, Logger, Subsystem } from '../base/log/logger.ts'
import { ServiceManager } from './service-manager.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** The terminal and a wrapper (npm, a shell) may both deliver one Ctrl-C, ms. */
const SAME_SIGNAL_MS = 300
/** Time for remaining handles to close after a clean stop before the process exits anyway, ms. */
const LINGER_MS = 3000
/** Longest delay of a timer, ms. */
const ALWAYS_MS = 2 ** 31 - 1

export interface RunningProgram {
  /** Stops accepting work and completes what must be completed, in bounded time. Idempotent. */
  stop(): Promise<void>
  /** Rejects if the program cannot continue; resolves with the reason if it ends by itself. */
  readonly failed: Promise<string>
}

export interface ForegroundProgram<T extends RunningProgram> {
  subsystem: Subsystem
  options: { logLevel: LogLevel; logFormat: LogFormat }
  /** `stopping`: aborted if the program must stop before its start is complete. */
  start: (logger: Logger, stopping: AbortSignal) => Promise<T>
  /** Called once, when the program runs. */
  announce: (running: T) => void | Promise<void>
  /** Status text for the service manager. */
  describe?: (running: T) => string
  /** Removes what must not remain when the process ends immediately. */
  abandon?: () => void
  /** The parent has already logged the stop. */
  isSupervised?: boolean
  /** Called on an uncaught exception instead of stopping; does not return. */
  onCrash?: () => void
}

export async function runInForeground<T extends RunningProgram>(
  program: ForegroundProgram<T>,
): Promise<void> {
  const { logLevel: level, logFormat: format } = program.options
  configureLogging({ level, format })
  const logger = loggerOf(program.subsystem)
  const manager = await ServiceManager.fromEnvironment(process.env, logger)
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'a promise failed that nobody waited for')
  })
  const ended = Promise.race([
    stopAsked(program.abandon),
    uncaughtException(logger, program.onCrash),
  ])
  // Handled below; an earlier failure must not count as an unhandled rejection.
  ended.catch(() => undefined)
  // All handles of a program may be unreferenced; this timer keeps the process alive until it has
  // stopped.
  const alive = setInterval(() => undefined, ALWAYS_MS)
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  ended.then(stop, stop)
  try {
    const running = await started(program, logger, stopping.signal)
    if (running === undefined) {
      // Throws if it was not a signal.
      logger.info(`${await ended}: it had not started yet`)
      return
    }
    try {
      await program.announce(running)
      manager.ready(program.describe?.(running))
      const why = await Promise.race([ended, running.failed])
      const level = program.isSupervised === true ? 'debug' : 'info'
      logger[level](`${why}: stopping (a second signal does not wait)`)
    } finally {
      manager.stopping()
      await running.stop()
    }
  } finally {
    clearInterval(alive)
    endSoon()
  }
}

/** Undefined: the start was aborted by a stop. */
async function started<T extends RunningProgram>(
  program: ForegroundProgram<T>,
  logger: Logger,
  stopping: AbortSignal,
): Promise<T | undefined> {
  try {
    return await program.start(logger, stopping)
  } catch (error) {
    if (stopping.aborted && (error as Error).name === 'AbortError') return undefined
    throw error
  }
}

/** Resolves with the first signal; the second one kills the process. */
function stopAsked(abandon?: () => void): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let firstMs: number | undefined
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (firstMs !== undefined && performance.now() - firstMs > SAME_SIGNAL_MS) quit(abandon)
      firstMs ??= performance.now()
      resolve(signal)
    })
  }
  return promise
}

/** SIGKILL: a worker that blocks in read(/dev/fuse) would delay an exit. */
function quit(abandon?: () => void): void {
  abandon?.()
  process.kill(process.pid, 'SIGKILL')
}

function uncaughtException(logger: Logger, onCrash?: () => void): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'an exception that nobody caught: stopping')
    onCrash?.()
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
