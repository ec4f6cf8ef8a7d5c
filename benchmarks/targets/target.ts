/**
 * A file system to measure. Opening it starts what it needs in its own directories below
 * `work.directory`; disposing it stops and unmounts everything. A target that this machine lacks
 * throws NotMeasured when it is opened, with how to install it.
 */
export interface Target extends AsyncDisposable {
  /** Heading of its column. */
  readonly name: string
  /** The benchmark fails if this target fails, because there is nothing to compare without it. */
  readonly isNeeded: boolean
  /** Exact description: version and relevant options. */
  readonly detail: string
  /** Directory in which workloads create theirs. */
  readonly directory: string
  /** Resolves when no background work is running. */
  settle(): Promise<void>
  /** Evicts the directory from this machine, so that only the cloud has its data. */
  makeCold(directory: string): Promise<void>
}

/** Options for opening a target. */
export interface TargetSetting {
  /** A new directory for this target alone. */
  directory: string
  signal: AbortSignal
  /** Directory for CPU profiles of the CacheFS node, one per thread. */
  profileDirectory?: string | undefined
}
