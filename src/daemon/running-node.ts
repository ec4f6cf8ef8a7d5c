/** A running node as the command line uses it: a supervisor or a node in this process. */
import type { RunningProgram } from './foreground.ts'
import type { ServedMount } from './daemon-protocol.ts'

export interface RunningNode extends RunningProgram {
  readonly mount: ServedMount
  readonly apiUrl: string
}
