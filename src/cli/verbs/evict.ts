/** `cachefs evict PATH...`: frees the local space of the durable data of paths. */
import type { Command } from 'commander'
import { addPathAction } from '../path-action.ts'

export function addEvict(program: Command): void {
  addPathAction(program, 'evict', 'Evict durable files and directories from the cache of this node')
}
