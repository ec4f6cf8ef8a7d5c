/** `cachefs limits`: prints every bound of the system, by the layer that owns it. */
import type { Command } from 'commander'
import { limitsByOwner } from '../../limits.ts'
import { addFlags, readFlags } from '../../options/flag.ts'
import { JSON_FLAG } from '../api-flags.ts'
import { print } from '../output.ts'

export function addLimits(program: Command): void {
  const command = program
    .command('limits')
    .description('Print the bounds of all queues, buffers, retries, caches and waits')
  addFlags(command, JSON_FLAG)
  command.action(() => print(limitsByOwner, readFlags(command, JSON_FLAG, process.env).json))
}
