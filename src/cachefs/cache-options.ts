/**
 * How a CacheFS behaves, with what it does where nothing is said. Durations are milliseconds, sizes
 * bytes.
 */
import { FsError } from '../base/fs-error.ts'
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
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number') checkNumber(name, value)
  }
  return settings
}

export function checkNumber(name: string, value: number): void {
  const least = /blockBytes|concurrency|attempts/.test(name) ? 1 : 0
  if (value >= least) return
  throw new FsError('EINVAL', `${name} is a number from ${least}, not ${value}`)
}
