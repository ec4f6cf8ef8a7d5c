/**
 * `cachefs warm PATH...`: fetches the paths into the cache of this node, so that reads are local.
 */
import type { Command } from 'commander'
import { addPathAction } from '../path-action.ts'

export function addWarm(program: Command): void {
  addPathAction(program, 'warm', 'Fetch files and directories into the cache of this node')
}
