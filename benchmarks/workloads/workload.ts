/**
 * One thing that is measured. A workload runs in the driver process with synchronous calls, as
 * often as its figures say or until its time is up, and tells how much it did in how long; making
 * caches cold beforehand is the harness's part. It leaves what the next workloads of the list need.
 */

/** State of the caches that a workload starts from. */
export type Preparation =
  /** As the workload before left them. */
  | 'as they are'
  /** No byte of the file on this machine; it is in the cloud. */
  | 'cloud'
  /** The kernel's page cache is empty. */
  | 'pages'
  /** The kernel's cache of names and inodes is empty. */
  | 'names'
  /** Both of the kernel's caches are empty. */
  | 'pages and names'

export interface Scale {
  /** Bytes of the large file. */
  sizeBytes: number
  /** Small files in the directory. */
  files: number
  /** Random reads or writes. */
  operations: number
  /** A workload of many small steps ends after so long, whatever it did by then. */
  budgetMs: number
}

export interface Place extends Scale {
  directory: string
  /** Names of the small files that are there. */
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
  /** Others find what it leaves: it always runs. */
  readonly isNeeded?: boolean
  /**
   * Runs after everything else of all rounds. ext4 without a journal keeps away from inodes that
   * were removed in the last minute or so and searches past them: whoever creates files after many
   * were removed is several times slower, whatever is mounted above.
   */
  readonly isLast?: boolean
  run(place: Place): Measured
}

/** Measures what comes second: the first fills the caches. */
export function warmed(run: Workload['run']): Workload['run'] {
  return (place) => {
    run(place)
    return run(place)
  }
}

/** Path in the directory of what the sequential workloads leave for the random ones. */
export const LARGE_FILE = 'large'

export function timed(amount: number, work: () => void): Measured {
  const startMs = performance.now()
  work()
  return { amount, seconds: (performance.now() - startMs) / 1000 }
}

/** Runs `step` for 0, 1, ... up to `count` of them or until the time is up. */
export function counted(count: number, budgetMs: number, step: (at: number) => void): Measured {
  const startMs = performance.now()
  let done = 0
  while (done < count && performance.now() - startMs < budgetMs) step(done++)
  return { amount: done, seconds: (performance.now() - startMs) / 1000 }
}
