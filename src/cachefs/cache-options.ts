/**
 * Options of a CacheFS, their validation and their defaults. Durations are milliseconds, sizes
 * bytes; `settle` returns the settings of a CacheFS with every default filled in.
 */
import {
  amount,
  checkOption,
  checkOptions,
  fileSystem,
  flag,
  oneOf,
  withMethods,
} from '../base/options.ts'
import type { OptionRule } from '../base/options.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { baseLimits } from '../base/limits.ts'
import { cachefsLimits } from './limits.ts'
import type { CacheLogger } from './background-errors.ts'

/** What happens to a local change if the remote's file is no longer the version it is based on. */
export type ConflictPolicy = 'local wins' | 'remote wins' | 'keep both'

export interface CacheOptions {
  /** How long names and contents are valid after the remote confirmed them; default: an hour. */
  ttlMs?: number | undefined
  /** How long absent names are valid; default: 5 seconds. 0: not cached. */
  negativeTtlMs?: number | undefined
  /** An entry that expired at most this long ago is served at once and revalidated in parallel. */
  staleWhileRevalidateMs?: number | undefined
  /** An entry that expired at most this long ago is served if the remote is unreachable. */
  staleIfErrorMs?: number | undefined
  /** Maximum size of contents on the local side; beyond it, the least recently used are evicted. */
  maxBytes?: number | undefined
  /** Size of the blocks in which files are fetched. */
  blockBytes?: number | undefined
  /** Maximum number of changes that are sent to the remote in parallel. */
  concurrency?: number | undefined
  /** Attempts before a change counts as stalled; it is still retried later. */
  attempts?: number | undefined
  /** First and maximum wait between two attempts. */
  retryBaseMs?: number | undefined
  retryMaxMs?: number | undefined
  /** Default: 'local wins'. */
  conflict?: ConflictPolicy | undefined
  /**
   * Survive a crash: record what is cached and which changes are pending, in `/.cachefs` of the
   * local side, or in the given file system.
   */
  journal?: boolean | FileSystem | undefined
  logger?: CacheLogger | undefined
  /** Returns the time in milliseconds since 1970; for tests. */
  now?: (() => number) | undefined
}

type Given = Omit<CacheOptions, 'logger' | 'journal'>
type Settled = { [K in keyof Given]-?: Exclude<Given[K], undefined> }

export interface CacheSettings extends Settled {
  logger: CacheLogger | undefined
  journal: boolean | FileSystem
}

export function settle(options: CacheOptions): CacheSettings {
  checkOptions('CacheFS', RULES, options)
  const settings: CacheSettings = {
    ttlMs: options.ttlMs ?? cachefsLimits.cacheTtlMs,
    negativeTtlMs: options.negativeTtlMs ?? cachefsLimits.cacheNegativeTtlMs,
    staleWhileRevalidateMs: options.staleWhileRevalidateMs ?? 0,
    staleIfErrorMs: options.staleIfErrorMs ?? 0,
    maxBytes: options.maxBytes ?? Infinity,
    blockBytes: options.blockBytes ?? cachefsLimits.cacheBlockBytes,
    concurrency: options.concurrency ?? cachefsLimits.cacheConcurrency,
    attempts: options.attempts ?? cachefsLimits.cacheAttempts,
    retryBaseMs: options.retryBaseMs ?? baseLimits.retryBaseMs,
    retryMaxMs: options.retryMaxMs ?? baseLimits.retryMaxMs,
    conflict: options.conflict ?? 'local wins',
    now: options.now ?? Date.now,
    journal: options.journal ?? false,
    logger: options.logger,
  }
  return settings
}

const DURATION = 'milliseconds'
const JOURNAL = withMethods('true, false or a file system', 'open', 'lstat', 'list')
/** Rules of the options of CacheFS. */
const RULES: { [K in keyof Required<CacheOptions>]: OptionRule } = {
  ttlMs: amount(DURATION),
  negativeTtlMs: amount(DURATION),
  staleWhileRevalidateMs: amount(DURATION),
  staleIfErrorMs: amount(DURATION),
  maxBytes: amount('bytes'),
  blockBytes: amount('bytes', 1),
  concurrency: amount('changes at once', 1),
  attempts: amount('tries', 1),
  retryBaseMs: amount(DURATION),
  retryMaxMs: amount(DURATION),
  conflict: oneOf(['local wins', 'remote wins', 'keep both']),
  journal: {
    ...JOURNAL,
    isAllowed: (value) => flag().isAllowed(value) || JOURNAL.isAllowed(value),
  },
  logger: withMethods('a logger with warn and error', 'warn', 'error'),
  now: { allowed: 'a function', isAllowed: (value) => typeof value === 'function' },
}

/** Validates an option that is set later. */
export function checkCacheOption(name: keyof CacheOptions, value: unknown): void {
  checkOption('CacheFS', name, RULES[name], value)
}

export function checkSides(local: unknown, remote: unknown): void {
  checkOption('CacheFS', 'local', fileSystem(), local)
  checkOption('CacheFS', 'remote', fileSystem(), remote)
}
