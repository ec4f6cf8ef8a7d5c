/**
 * One logger per subsystem, named in the message itself: `[CACHE] evicted 12 files`. People read
 * these lines in terminals and `kubectl logs`, so the default is one plain line each; `json` is
 * for collectors. Everything goes to standard error: standard output belongs to the commands.
 *
 * Invariants: a value under a name that may hold a secret is never written; an error is written
 * with its message, its causes and (a mistake of ours) its stack, not with whatever an SDK hung on
 * it (requests, headers). A closed standard error is no reason to die.
 */
import { pino } from 'pino'
import type { Level, Logger } from 'pino'
import { describe, isExpected } from './fs-error.ts'

export type { Logger } from 'pino'
export type Subsystem = 'COORDINATOR' | 'CLIENT' | 'API' | 'FUSE' | 'CACHE'
export type LogLevel = Level | 'silent'
export type LogFormat = 'line' | 'json'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export interface LoggingOptions {
  level?: LogLevel | undefined
  format?: LogFormat | undefined
  /** Takes each line with its newline; standard error unless a test wants to read them. */
  write?: ((line: string) => void) | undefined
}

/** Not `key`: that is what objects are found by. */
const SECRETS = [
  'apiKey',
  'metricsToken',
  'azureKey',
  'accountKey',
  'secretAccessKey',
  'sessionToken',
  'password',
]
const SECRET_HEADERS = ['x-api-key', 'authorization', 'cookie']
/** Fields of every line that the plain format leaves out or puts elsewhere. */
const OWN_FIELDS = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'err'])

const loggers = new Map<Subsystem, Logger>()
const settings: {
  level: LogLevel
  format: LogFormat
  write?: LoggingOptions['write']
} = {
  level: 'info',
  format: 'line',
}

/** The one logger of a subsystem. */
export function loggerOf(subsystem: Subsystem): Logger {
  let logger = loggers.get(subsystem)
  if (logger === undefined) {
    logger = createLogger(subsystem)
    loggers.set(subsystem, logger)
  }
  return logger
}

/**
 * For all loggers, those in use included: `--log-level` is read after the first line is written.
 */
export function configureLogging({ level, format, write }: LoggingOptions): void {
  if (level !== undefined) settings.level = level
  if (format !== undefined) settings.format = format
  if (write !== undefined) settings.write = write
  for (const logger of loggers.values()) logger.level = settings.level
}

function createLogger(subsystem: Subsystem): Logger {
  return pino(
    {
      level: settings.level,
      base: null,
      msgPrefix: `[${subsystem}] `,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: plainError },
      redact: { paths: secretPaths(), censor: '(secret)' },
    },
    { write: emit },
  )
}

/** At the top of a record and one level down; pino's wildcards do not reach deeper. */
function secretPaths(): string[] {
  const names = [...SECRETS, ...SECRET_HEADERS].map((name) => `["${name}"]`)
  return [...names, ...names.map((name) => `*${name}`), ...names.map((name) => `*.*${name}`)]
}

function plainError(error: unknown): object {
  const { code, stack } = (error ?? {}) as { code?: unknown; stack?: unknown }
  const isTraced = !isExpected(error) || ['debug', 'trace'].includes(settings.level)
  return { message: describe(error), code, ...(isTraced && { stack }) }
}

function emit(json: string): void {
  const line = settings.format === 'json' ? json : toLine(json)
  if (settings.write !== undefined) settings.write(line)
  else standardError().write(line)
}

let isGuarded = false

function standardError(): NodeJS.WriteStream {
  if (!isGuarded) process.stderr.on('error', () => undefined)
  isGuarded = true
  return process.stderr
}

/** `2026-01-31T12:00:00.000Z INFO [CACHE] evicted files=12`, and the stack of an error below it. */
function toLine(json: string): string {
  const record = JSON.parse(json) as Record<string, unknown>
  const { level, time, msg, err } = record as Record<string, string> & { err?: LoggedError }
  const fields = Object.entries(record).flatMap(([name, value]) =>
    OWN_FIELDS.has(name) ? [] : [` ${name}=${plainValue(value)}`],
  )
  const isSaid = err === undefined || (msg ?? '').includes(err.message)
  const error = isSaid ? '' : `: ${oneLine(err.message)}`
  const stack = err?.stack !== undefined && isGrave(level) ? `\n${frames(err.stack)}` : ''
  const text = oneLine(msg ?? '')
  return `${time ?? ''} ${(level ?? '').toUpperCase()} ${text}${error}${fields.join('')}${stack}\n`
}

interface LoggedError {
  message: string
  stack?: string
}

function isGrave(level: string | undefined): boolean {
  return level === 'error' || level === 'fatal'
}

/** The stack without the message, which stands in the line already. */
function frames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

/** What somebody else named (a file, a header) cannot forge a line of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f]/g, (it) => JSON.stringify(it).slice(1, -1))
}

function plainValue(value: unknown): string {
  const isPlain = typeof value === 'string' && /^[\w./:@+-]+$/.test(value)
  return isPlain ? value : JSON.stringify(value)
}
