/** What the process that runs a node is to its supervisor (supervisor.ts). */
import type { FuseConnection } from '../fuse/fuse-server.ts'

export interface Daemon {
  connection: FuseConnection
  mountId: string
  supervisorPid: number
  /** Processes that served the mount before, and died. */
  restarts: number
  /** Ends this process on the spot; another one goes on. */
  die: () => void
  /** As `die`, on purpose. */
  replace: () => void
  /** Rejects where the program that is installed now would not start. */
  checkProgram: () => Promise<void>
}
