/**
 * Interface between a node and the process it runs in, the daemon of a supervisor (supervisor.ts).
 */
import type { FuseConnection } from '../fuse/fuse-server.ts'

export interface Daemon {
  connection: FuseConnection
  mountId: string
  supervisorPid: number
  /** Number of processes that served the mount before this one. */
  restarts: number
  /** Kills this process immediately; the supervisor starts a successor. */
  die: () => void
  /** As `die`, but announced as an intended replacement. */
  replace: () => void
  /** Rejects if the installed program would not start. */
  checkProgram: () => Promise<void>
}
