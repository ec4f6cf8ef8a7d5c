/**
 * Loggers, one per subsystem, whose name starts each message: `[CACHE] evicted 12 files`. The
 * default format is one plain line per record, for terminals and `kubectl logs`; `json` is for log
 * collectors. All output goes to standard error, because standard output belongs to the commands.
 *
 * Invariants: the value of a field whose name may denote a secret is never written. An error is
 * written with its message, its causes and, for a programming error, its stack; properties added by
 * an SDK (requests, headers) are not. A closed standard error does not end the process.
 */
import { pino } from 'pino'
import type { Level, Logger } from 'pino'
import { describe, isExpected } from '../fs-error.ts'

export type { Logger } from 'pino'
export type Subsystem = 'COORDINATOR' | 'CLIENT' | 'API' | 'FUSE' | 'CACHE'
export type LogLevel = Level | 'silent'
export type LogFormat = 'line' | 'json'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export interface LoggingOptions {
  level?: LogLevel | undefined
  format?: LogFormat | undefined
  /** Receives each line with its newline; default: standard error. */
  write?: ((line: string) => void) | undefined
}

/** Without `key`, which is the name of an object. */
const SECRETS = [
  'apiKey',
  'metricsToken',
  'joinToken',
  'azureKey',
  'accountKey',
  'secretAccessKey',
  'sessionToken',
  'password',
]
const SECRET_HEADERS = ['x-api-key', 'x-node-token', 'x-join-token', 'authorization', 'cookie']
/** Fields that the plain format omits or places elsewhere in the line. */
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

/** The logger of a subsystem; created at the first call. */
export function loggerOf(subsystem: Subsystem): Logger {
  let logger = loggers.get(subsystem)
  if (logger === undefined) {
    logger = createLogger(subsystem)
    loggers.set(subsystem, logger)
  }
  return logger
}

/** Applies to all loggers, also existing ones: lines are written before `--log-level` is parsed. */
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

/** At the top of a record and two levels down; pino's wildcards match one level each. */
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

/** `2026-01-31T12:00:00.000Z INFO [CACHE] evicted files=12`, followed by the stack of an error. */
function toLine(json: string): string {
  const record = JSON.parse(json) as Record<string, unknown>
  const { level, time, msg, err } = record as Record<string, string> & { err?: LoggedError }
  const fields = Object.entries(record).flatMap(([name, value]) =>
    OWN_FIELDS.has(name) ? [] : [` ${name}=${plainValue(value)}`],
  )
  const isInMessage = err === undefined || (msg ?? '').includes(err.message)
  const error = isInMessage ? '' : `: ${oneLine(err.message)}`
  const stack = err?.stack !== undefined && isSevere(level) ? `\n${frames(err.stack)}` : ''
  const text = oneLine(msg ?? '')
  return `${time ?? ''} ${(level ?? '').toUpperCase()} ${text}${error}${fields.join('')}${stack}\n`
}

interface LoggedError {
  message: string
  stack?: string
}

function isSevere(level: string | undefined): boolean {
  return level === 'error' || level === 'fatal'
}

/** The stack without the message, which is in the line already. */
function frames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

/**
 * Escapes control characters, so that names from outside (a file, a header) cannot forge a line.
 */
function oneLine(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f]/g, (it) => JSON.stringify(it).slice(1, -1))
}

function plainValue(value: unknown): string {
  const isPlain = typeof value === 'string' && /^[\w./:@+-]+$/.test(value)
  return isPlain ? value : JSON.stringify(value)
}
