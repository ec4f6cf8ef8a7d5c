/**
 * A workload. It runs in the driver process with synchronous calls, for the number of steps in its
 * figures or until its time is up, and returns the amount of work and the duration; the harness
 * makes caches cold beforehand. It leaves the files that later workloads need.
 */

/** State of the caches at the start of a workload. */
export type Preparation =
  /** As the previous workload left them. */
  | 'as they are'
  /** This machine has none of the file's data; the cloud has all of it. */
  | 'cloud'
  /** The page cache is empty. */
  | 'pages'
  /** The kernel's cache of names and inodes is empty. */
  | 'names'
  /** Both caches of the kernel are empty. */
  | 'pages and names'

export interface Scale {
  /** Size of the large file in bytes. */
  sizeBytes: number
  /** Number of small files in the directory. */
  files: number
  /** Number of random reads or writes. */
  operations: number
  /** A workload of many small steps ends after this time. */
  budgetMs: number
}

export interface Place extends Scale {
  directory: string
  /** Names of the existing small files. */
  names: string[]
}

export interface Measured {
  /** Bytes or operations. */
  amount: number
  seconds: number
}

export interface Workload {
  readonly group: string
  readonly name: string
  readonly unit: 'MB/s' | 'op/s'
  readonly before: Preparation
  /** Later workloads need its files: it always runs. */
  readonly isNeeded?: boolean
  /**
   * Runs after all rounds of all other workloads. ext4 without a journal avoids inodes that were
   * removed in the last minute or so and searches past them: creating files after many were removed
   * is several times slower on any file system above it.
   */
  readonly isLast?: boolean
  run(place: Place): Measured
}

/** Measures the second run: the first one fills the caches. */
export function warmed(run: Workload['run']): Workload['run'] {
  return (place) => {
    run(place)
    return run(place)
  }
}

/** Path of the file that the sequential workloads leave for the random ones. */
export const LARGE_FILE = 'large'

export function timed(amount: number, work: () => void): Measured {
  const startMs = performance.now()
  work()
  return { amount, seconds: (performance.now() - startMs) / 1000 }
}

/** Runs `step` for 0, 1, ... up to `count` or until the time is up. */
export function counted(count: number, budgetMs: number, step: (at: number) => void): Measured {
  const startMs = performance.now()
  let done = 0
  while (done < count && performance.now() - startMs < budgetMs) step(done++)
  return { amount: done, seconds: (performance.now() - startMs) / 1000 }
}
