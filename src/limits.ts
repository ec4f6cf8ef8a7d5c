/**
 * Index of every bound of the system. The `limits.ts` of the folder that owns a bound has its unit
 * and reason; `cachefs limits` prints all bounds. Product code imports the bounds from their owner;
 * tests import this index.
 *
 * Invariant: a queue, buffer, retry, cache or wait without a bound here is a defect.
 */
import { baseLimits } from './base/limits.ts'
import { cacheLimits } from './cache/limits.ts'
import { cachefsLimits } from './cachefs/limits.ts'
import { coordinatorLimits } from './coordinator/limits.ts'
import { daemonLimits } from './daemon/limits.ts'
import { filesystemLimits } from './filesystem/limits.ts'
import { fuseLimits } from './fuse/limits.ts'
import { httpLimits } from './http/limits.ts'
import { metadataLimits } from './metadata/limits.ts'
import { nodeLimits } from './node/limits.ts'
import { optionsLimits } from './options/limits.ts'
import { tiersLimits } from './tiers/limits.ts'
import { volumeLimits } from './volume/limits.ts'

export const limitsByOwner = {
  base: baseLimits,
  tiers: tiersLimits,
  filesystem: filesystemLimits,
  cachefs: cachefsLimits,
  metadata: metadataLimits,
  cache: cacheLimits,
  volume: volumeLimits,
  fuse: fuseLimits,
  coordinator: coordinatorLimits,
  http: httpLimits,
  options: optionsLimits,
  daemon: daemonLimits,
  node: nodeLimits,
} as const

/** Frozen: a test that needs another bound changes it at its owner. */
export const limits = Object.freeze({
  ...baseLimits,
  ...tiersLimits,
  ...filesystemLimits,
  ...cachefsLimits,
  ...metadataLimits,
  ...cacheLimits,
  ...volumeLimits,
  ...fuseLimits,
  ...coordinatorLimits,
  ...httpLimits,
  ...optionsLimits,
  ...daemonLimits,
  ...nodeLimits,
} as const)
