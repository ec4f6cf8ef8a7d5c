/** A node that has been started in this process, as the command line sees it. */
import type { RunningProgram } from './foreground.ts'

export interface RunningNode extends RunningProgram {
  readonly mountPoint: string
  readonly apiUrl: string
}
