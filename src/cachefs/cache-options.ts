/**
 * How a CacheFS behaves, with what it does where nothing is said. Durations are milliseconds, sizes
 * bytes.
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
import { limits } from '../limits.ts'
import type { CacheLogger } from './background-errors.ts'

/** What happens to a change made here when the remote's file is not the one it was made to. */
export type ConflictPolicy = 'local wins' | 'remote wins' | 'keep both'

export interface CacheOptions {
  /** What was learnt from the remote counts so long; an hour. */
  ttlMs?: number | undefined
  /** ... and that there is nothing, so long; 5 seconds. 0: every miss asks again. */
  negativeTtlMs?: number | undefined
  /** An entry that expired since no longer is served at once, and revalidated beside. */
  staleWhileRevalidateMs?: number | undefined
  /** An entry that expired since no longer is served where the remote cannot be asked. */
  staleIfErrorMs?: number | undefined
  /** Contents that the local side may take; beyond, what was not used for longest goes. */
  maxBytes?: number | undefined
  /** Files are fetched in blocks of so many bytes. */
  blockBytes?: number | undefined
  /** Changes that go to the remote at once. */
  concurrency?: number | undefined
  /** Tries of one change before it counts as failed; it is tried again later all the same. */
  attempts?: number | undefined
  /** First wait between two tries, and the longest. */
  retryBaseMs?: number | undefined
  retryMaxMs?: number | undefined
  /** 'local wins' by default. */
  conflict?: ConflictPolicy | undefined
  /**
   * Survive a crash: what is cached and what is on its way is written down, in `/.cachefs` of the
   * local side, or in a file system of its own.
   */
  journal?: boolean | FileSystem | undefined
  logger?: CacheLogger | undefined
  /** Milliseconds since 1970; for tests. */
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
    ttlMs: options.ttlMs ?? limits.cacheTtlMs,
    negativeTtlMs: options.negativeTtlMs ?? limits.cacheNegativeTtlMs,
    staleWhileRevalidateMs: options.staleWhileRevalidateMs ?? 0,
    staleIfErrorMs: options.staleIfErrorMs ?? 0,
    maxBytes: options.maxBytes ?? Infinity,
    blockBytes: options.blockBytes ?? limits.cacheBlockBytes,
    concurrency: options.concurrency ?? limits.cacheConcurrency,
    attempts: options.attempts ?? limits.cacheAttempts,
    retryBaseMs: options.retryBaseMs ?? limits.retryBaseMs,
    retryMaxMs: options.retryMaxMs ?? limits.retryMaxMs,
    conflict: options.conflict ?? 'local wins',
    now: options.now ?? Date.now,
    journal: options.journal ?? false,
    logger: options.logger,
  }
  return settings
}

const DURATION = 'milliseconds'
const JOURNAL = withMethods('true, false or a file system', 'open', 'lstat', 'list')
/** What can be said of a CacheFS, and of it alone. */
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

/** One option that is set later. */
export function checkCacheOption(name: keyof CacheOptions, value: unknown): void {
  checkOption('CacheFS', name, RULES[name], value)
}

export function checkSides(local: unknown, remote: unknown): void {
  checkOption('CacheFS', 'local', fileSystem(), local)
  checkOption('CacheFS', 'remote', fileSystem(), remote)
}
