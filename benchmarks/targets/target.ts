/**
 * One file system under measurement. Opening one starts what it needs in folders of its own under
 * `work.directory`; disposing of it stops and unmounts all of that. One that this machine lacks
 * throws NotMeasured when it is opened, with how to get it.
 */
export interface Target extends AsyncDisposable {
  /** Heads its column. */
  readonly name: string
  /** Without it there is nothing to compare: its failure is the benchmark's. */
  readonly isNeeded: boolean
  /** Says exactly what it is: version, options that matter. */
  readonly detail: string
  /** Where workloads make their folders. */
  readonly directory: string
  /** Resolves when it works on nothing in the background. */
  settle(): Promise<void>
  /** Leaves no byte of what is in the folder on this machine, only in the cloud. */
  makeCold(directory: string): Promise<void>
}

/** What targets are given to be opened. */
export interface TargetSetting {
  /** A new folder for this target alone. */
  directory: string
  signal: AbortSignal
  /** CPU profiles of our own node go here, one per thread. */
  profileDirectory?: string | undefined
}
