/** A node that has been started, in this process or by it, as the command line sees it. */
import type { RunningProgram } from './foreground.ts'
import type { ServedMount } from './daemon-protocol.ts'

export interface RunningNode extends RunningProgram {
  readonly mount: ServedMount
  readonly apiUrl: string
}
