/** `cachefs evict PATH...`: frees the local space of the durable data of paths. */
import type { Command } from 'commander'
import { addPathAction } from '../path-action.ts'

export function addEvict(program: Command): void {
  addPathAction(program, 'evict', 'Free the local space of files and folders that the cloud has')
}
