/** The environment variables that a program of ours reads, and its libraries for it. */
import { Command } from 'commander'
import { addCoordinatorFlags } from '../../src/options/coordinator-options.ts'
import { NODE_FLAGS } from '../../src/options/node-flags.ts'
import { addNodeFlags } from '../../src/options/node-options.ts'

/** What the SDK of AWS asks for. */
const CREDENTIALS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']

export function knownVariables(program: 'client' | 'coordinator'): Set<string> {
  const command = new Command(program)
  if (program === 'client') addNodeFlags(command)
  else addCoordinatorFlags(command)
  const flags = command.options.map(({ long }) => long!.slice(2))
  const own = flags.map((name) => `CACHEFS_${name.toUpperCase().replaceAll('-', '_')}`)
  const others = Object.values(NODE_FLAGS).flatMap(({ environment }) => environment)
  return new Set([...own, ...(program === 'client' ? [...others, ...CREDENTIALS] : ['POD_IP'])])
}
