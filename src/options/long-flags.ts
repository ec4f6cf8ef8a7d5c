/** Long flags with one dash or two: `-mount DIR` and `--mount DIR` mean the same. */
import type { Command } from 'commander'

/** `-mount DIR` as `--mount DIR`: both are the contract. */
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
