/**
 * Secrets among the arguments of a program: every user of the machine sees those of a running
 * process (`ps`), so they are masked there as soon as it runs, and handed to no other process.
 */
import type { Command } from 'commander'
import { variableOf } from './environment.ts'
import { SecretOption } from './flag.ts'
import { withoutPasswords } from './secret-text.ts'

interface Split {
  /** With the secrets left out. */
  rest: string[]
  /** Variables that say the same. */
  environment: Record<string, string>
}

/** Names of the flags, as they are written: `--api-key`. */
export function secretFlags(program: Command): Set<string> {
  const options = [program, ...program.commands].flatMap((command) => command.options)
  return new Set(
    options.filter((it) => it instanceof SecretOption).flatMap(({ long }) => long ?? []),
  )
}

/** Of a process that is to have the same arguments, with dashes as commander takes them. */
export function splitSecrets(args: readonly string[], secret: ReadonlySet<string>): Split {
  const split: Split = { rest: [], environment: {} }
  for (let at = 0; at < args.length; at++) {
    const [flag, value] = splitOnce(args[at] ?? '')
    if (!secret.has(flag)) split.rest.push(args[at] ?? '')
    else split.environment[variableOf(flag.slice(2))] = value ?? args[++at] ?? ''
  }
  return split
}

/** What `ps` shows from here on; Linux writes it over what it showed before. */
export function hideSecrets(args: readonly string[], secret: ReadonlySet<string>): void {
  const { rest } = splitSecrets(args, secret)
  const shown = rest.map(withoutPasswords)
  if (shown.join('\0') === args.join('\0')) return
  const [program = '', script = ''] = process.argv
  process.title = [program, script, ...shown].join(' ')
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.indexOf('=')
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}
