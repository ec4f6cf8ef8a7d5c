/** Long flags with one or two dashes: `-mount DIR` and `--mount DIR` are equivalent. */
import type { Command } from 'commander'

/** Replaces `-mount DIR` by `--mount DIR`, as commander accepts only the latter. */
export function withTwoDashes(args: readonly string[], flags: ReadonlySet<string>): string[] {
  const end = args.indexOf('--')
  return args.map((arg, index) => {
    const name = /^-([A-Za-z][\w-]+)/.exec(arg)?.[1]
    const isFlag = name !== undefined && flags.has(`--${name}`) && (end < 0 || index < end)
    return isFlag ? `-${arg}` : arg
  })
}

export function longFlags(program: Command): Set<string> {
  const options = [program, ...program.commands].flatMap((command) => command.options)
  return new Set(['--help', ...options.flatMap((option) => option.long ?? [])])
}
