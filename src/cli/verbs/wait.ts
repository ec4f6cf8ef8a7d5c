/** `cachefs wait PATH...`: returns when every byte of the paths is durable. */
import type { Command } from 'commander'
import { addPathAction } from '../path-action.ts'

export function addWait(program: Command): void {
  addPathAction(program, 'wait', 'Wait until all data of these files and directories is uploaded')
}
