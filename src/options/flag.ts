/**
 * Flags and their values. A value comes from the command line, else from the environment
 * (`CACHEFS_NVME_CAPACITY` for `--nvme-capacity`, then the variables that other tools use), else it
 * is the default. An empty variable counts as not set; an empty value on the command line selects
 * the default. A value that cannot be parsed is a UsageError that names its source.
 */
import { Option } from 'commander'
import type { Command } from 'commander'
import { describe } from '../base/fs-error.ts'
import { isServiceLink, variableOf } from './environment.ts'
import { withoutPasswords } from './secret-text.ts'
import { UsageError } from './usage-error.ts'

export interface Flag<T> {
  readonly about: string
  /** Placeholder of the value in the help; '' for a switch. */
  readonly value: string
  readonly initial: string | undefined
  /** Environment variables that are read after CACHEFS_NAME. */
  readonly environment: readonly string[]
  readonly parse: (text: string | undefined) => T
  /** The value must not appear in messages or in the arguments of a process. */
  readonly secret: boolean
}

/** Option whose value is a secret. */
export class SecretOption extends Option {}

type Table = Record<string, Flag<unknown>>
export type FlagValues<F extends Table> = { [K in keyof F]: ReturnType<F[K]['parse']> }
export type Environment = Record<string, string | undefined>
/** Defaults of a verb that replace those of the flags. */
export type Defaults<F extends Table> = { [K in keyof F]?: string }

/** Result of commander: text, or true for a switch. */
type Given = Record<string, string | boolean | undefined>

interface FlagText<T> {
  about: string
  value: string
  parse: (text: string) => T
  environment?: readonly string[]
  secret?: boolean
}

const NOTHING_SPECIAL = { environment: [], secret: false }

/** A flag that always has a value. */
export function flag<T>(initial: string, spec: FlagText<T>): Flag<T> {
  const parse = (text = initial) => spec.parse(text)
  return { ...NOTHING_SPECIAL, ...spec, initial, parse }
}

/** An optional flag. */
export function optionalFlag<T>(spec: FlagText<T>): Flag<T | undefined> {
  const parse = (text?: string) => (text === undefined ? undefined : spec.parse(text))
  return { ...NOTHING_SPECIAL, ...spec, initial: undefined, parse }
}

/** A flag without a value; its variable is 1, true, yes or on, or 0, false, no or off. */
export function switchFlag(about: string): Flag<boolean> {
  return flag('false', { about, value: '', parse: parseSwitch })
}

function parseSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  if (/^(0|false|no|off)$/i.test(text)) return false
  throw new UsageError('say true or false')
}

export function addFlags<F extends Table>(
  command: Command,
  flags: F,
  defaults: Defaults<F> = {},
): void {
  for (const [name, { about, value, initial, environment, secret }] of Object.entries(flags)) {
    const preset = value === '' ? undefined : (defaults[name] ?? initial)
    const notes = [preset === undefined ? [] : [`default ${preset}`], environment].flat()
    const text = notes.length === 0 ? about : `${about} (${notes.join('; ')})`
    const Kind = secret ? SecretOption : Option
    command.addOption(new Kind(`--${name} ${value}`.trim(), text))
  }
}

export function readFlags<F extends Table>(
  command: Command,
  flags: F,
  environment: Environment,
  defaults: Defaults<F> = {},
): FlagValues<F> {
  const given = command.opts<Given>()
  const values = Object.entries(flags).map(([name, flag]) => {
    const { text, source } = find(name, flag, given, environment)
    try {
      return [name, flag.parse(text === undefined || text === '' ? defaults[name] : text)]
    } catch (error) {
      throw new UsageError(`${source}: ${describe(error)}`, { cause: undefined })
    }
  })
  return Object.fromEntries(values) as FlagValues<F>
}

function find(
  name: string,
  { environment: others, secret }: Flag<unknown>,
  given: Given,
  environment: Environment,
): { text: string | undefined; source: string } {
  const fromCommand = given[camelCase(name)]
  if (fromCommand !== undefined) {
    const text = String(fromCommand)
    return { text, source: secret ? `--${name}` : `--${name} ${withoutPasswords(text)}` }
  }
  for (const variable of [variableOf(name), ...others]) {
    const text = environment[variable]
    if (text === undefined || text === '' || isServiceLink(variable, text)) continue
    return { text, source: secret ? variable : `${variable}=${withoutPasswords(text)}` }
  }
  return { text: undefined, source: `--${name}` }
}

/** Printed once below the help instead of beside every flag. */
export function environmentHelp(example = 'nvme-capacity'): string {
  return `
Every flag may have one dash or two, and is an environment variable too:
--${example} is ${variableOf(example)}.`
}

/** Property name that commander gives an option. */
function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
