/**
 * Hides secrets among the arguments of a program. All users of the machine can see the arguments of
 * a running process (`ps`), so secrets are masked there at the start and never passed to another
 * process as arguments.
 */
import type { Command } from 'commander'
import { variableOf } from './environment.ts'
import { SecretOption } from './flag.ts'
import { withoutPasswords } from './secret-text.ts'

interface Split {
  /** The arguments without the secrets. */
  rest: string[]
  /** Environment variables that carry the secrets instead. */
  environment: Record<string, string>
}

/** Names of the secret flags as typed: `--api-key`. */
export function secretFlags(program: Command): Set<string> {
  const options = [program, ...program.commands].flatMap((command) => command.options)
  return new Set(
    options.filter((it) => it instanceof SecretOption).flatMap(({ long }) => long ?? []),
  )
}

/** Splits arguments for a process that is to get the same; flags must have two dashes. */
export function splitSecrets(args: readonly string[], secret: ReadonlySet<string>): Split {
  const split: Split = { rest: [], environment: {} }
  for (let at = 0; at < args.length; at++) {
    const [flag, value] = splitOnce(args[at] ?? '')
    if (!secret.has(flag)) split.rest.push(args[at] ?? '')
    else split.environment[variableOf(flag.slice(2))] = value ?? args[++at] ?? ''
  }
  return split
}

/** Sets what `ps` shows from now on; Linux overwrites the original arguments. */
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
