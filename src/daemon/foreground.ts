/**
 * A node or a coordinator in this process, from start to a clean end. SIGINT, SIGTERM or SIGHUP
 * stop it and the process ends with status 0; a second signal does not wait any longer. Nothing
 * that goes wrong is silent: a lost promise is logged, an exception that nobody caught stops it. A
 * service manager that asked for it is told when it is ready, and when it stops.
 */
import { configureLogging, loggerOf } from '../base/log/logger.ts'
import type { LogFormat, LogLevel, Logger, Subsystem } from '../base/log/logger.ts'
import { ServiceManager } from './service-manager.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** The terminal and a wrapper (npm, a shell) may both deliver one Ctrl-C; ms. */
const SAME_SIGNAL_MS = 300
/** What is still open after a clean stop does not keep the process; ms. */
const LINGER_MS = 3000
/** Longest delay that a timer takes; ms. */
const ALWAYS_MS = 2 ** 31 - 1

export interface RunningProgram {
  /** Stops accepting, finishes what has to be finished (bounded). Safe to call again. */
  stop(): Promise<void>
  /** Rejects when it cannot go on; resolves, with why, when it has come to an end by itself. */
  readonly failed: Promise<string>
}

export interface ForegroundProgram<T extends RunningProgram> {
  subsystem: Subsystem
  options: { logLevel: LogLevel; logFormat: LogFormat }
  /** `stopping`: it was told to stop before it runs. */
  start: (logger: Logger, stopping: AbortSignal) => Promise<T>
  /** It runs: said once. */
  announce: (running: T) => void | Promise<void>
  /** What it does, for the service manager. */
  describe?: (running: T) => string
  /** What must not be left behind when the process ends on the spot. */
  abandon?: () => void
  /** Its parent has said that it stops. */
  isSupervised?: boolean
  /** Instead of stopping after an exception that nobody caught; does not return. */
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
  // Handled below; until then a failure must not count as a lost promise.
  ended.catch(() => undefined)
  // What a program waits for may be all unreferenced; the process lives until it has stopped.
  const alive = setInterval(() => undefined, ALWAYS_MS)
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  ended.then(stop, stop)
  try {
    const running = await started(program, logger, stopping.signal)
    if (running === undefined) {
      // Throws where it was no signal.
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

/** Undefined: it gave up, because it was told to stop. */
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

/** Resolves with the first signal; the next one ends the process on the spot. */
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

/** SIGKILL: a worker that is reading /dev/fuse holds up an exit. */
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
