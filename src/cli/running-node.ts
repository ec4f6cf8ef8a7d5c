/** A node that has been started in this process, as the command line sees it. */
export interface RunningNode {
  readonly mountPoint: string
  readonly apiUrl: string
  /** Stops accepting, flushes, drains (bounded), unmounts. Safe to call again. */
  stop(): Promise<void>
  /** Rejects when the node cannot go on; never resolves. */
  readonly failed: Promise<never>
}
