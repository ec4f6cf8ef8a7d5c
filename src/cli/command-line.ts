/**
 * Command-line handling shared by all programs: long flags with one or two dashes, one sentence on
 * standard error for a failure, and the exit status: 0 success, 1 failure, 2 invalid command line.
 */
import { CommanderError } from 'commander'
import type { Command } from 'commander'
import { describe } from '../base/fs-error.ts'
import { checkEnvironment } from '../options/environment.ts'
import { longFlags, withTwoDashes } from '../options/long-flags.ts'
import { hideSecrets, secretFlags } from '../options/secret-arguments.ts'
import { UsageError } from '../options/usage-error.ts'

const FAILED = 1
const USAGE = 2

/** Runs the program and sets the exit status of this process. */
export async function runCommandLine(program: Command, args: readonly string[]): Promise<void> {
  // The reader of the output may exit early (`cachefs status | head -1`): that is not a failure.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  for (const command of [program, ...program.commands]) command.exitOverride()
  program.hook('preAction', () => checkEnvironment(process.env))
  try {
    const given = withTwoDashes(args, longFlags(program))
    hideSecrets(given, secretFlags(program))
    await program.parseAsync(given, { from: 'user' })
  } catch (error) {
    process.exitCode = report(program.name(), error)
  }
}

function report(name: string, error: unknown): number {
  // Commander has already printed its error, or the requested help or version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  console.error(`${name}: ${describe(error)}`)
  return error instanceof UsageError ? USAGE : FAILED
}
