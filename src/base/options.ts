/**
 * Options of the library, checked where they come in: programs written in JavaScript have no
 * compiler to tell them, and an option that is taken for another, or for none, shows much later.
 *
 * Invariant: what is refused is named, with its value and with what is allowed; no value of a
 * secret is repeated.
 */
import * as z from 'zod/mini'
import { FsError } from './fs-error.ts'

export interface OptionRule {
  isAllowed: (value: unknown) => boolean
  /** As in 'ttlMs has to be ...'. */
  allowed: string
  isRequired?: true
  isSecret?: true
}

export type OptionRules = Readonly<Record<string, OptionRule>>

export function amount(allowed: string, least = 0): OptionRule {
  const schema = z.number().check(z.minimum(least))
  // Infinity: without a bound.
  const isAllowed = (value: unknown): boolean =>
    value === Infinity || z.safeParse(schema, value).success
  return { allowed: `${allowed}, a number from ${least}`, isAllowed }
}

export function text(allowed: string): OptionRule {
  return of(z.string(), allowed)
}

/** Text that is not empty. */
export function name(allowed: string): OptionRule {
  return of(z.string().check(z.minLength(1)), allowed)
}

export function address(allowed: string): OptionRule {
  const isAllowed = (value: unknown): boolean => {
    return typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)
  }
  return { allowed, isAllowed }
}

/** What file systems are put before, in and around. */
export function fileSystem(): OptionRule {
  const methods = ['open', 'lstat', 'list']
  return required(withMethods("a file system, such as new LocalFS('/var/data')", ...methods))
}

export function oneOf(values: readonly string[]): OptionRule {
  return of(z.enum(values), `one of ${values.map((value) => `'${value}'`).join(', ')}`)
}

export function flag(): OptionRule {
  return of(z.boolean(), 'true or false')
}

export function of(schema: z.ZodMiniType, allowed: string): OptionRule {
  return { allowed, isAllowed: (value) => z.safeParse(schema, value).success }
}

export function required(rule: OptionRule): OptionRule {
  return { ...rule, isRequired: true }
}

export function secret(rule: OptionRule): OptionRule {
  return { ...rule, isSecret: true }
}

/** An object of other code: it has these methods. */
export function withMethods(allowed: string, ...names: string[]): OptionRule {
  const isAllowed = (value: unknown): boolean => {
    const object = (value ?? {}) as Record<string, unknown>
    return names.every((name) => typeof object[name] === 'function')
  }
  return { allowed, isAllowed }
}

/** EINVAL where `options`, of what is called `whose`, are not as the rules have them. */
export function checkOptions(whose: string, rules: OptionRules, options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${whose}: options are an object, not ${shown(options)}`)
  }
  const given = options as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(rules, name)) continue
    throw invalid(`${whose} has no option ${name}: there are ${Object.keys(rules).join(', ')}`)
  }
  for (const [name, rule] of Object.entries(rules)) checkOption(whose, name, rule, given[name])
}

export function checkOption(whose: string, name: string, rule: OptionRule, value: unknown): void {
  const { allowed, isAllowed, isRequired = false, isSecret = false } = rule
  if (value === undefined) {
    if (isRequired) throw invalid(`${whose}: ${name} is missing: it has to be ${allowed}`)
    return
  }
  if (isAllowed(value)) return
  const seen = isSecret ? 'another type' : shown(value)
  throw invalid(`${whose}: ${name} has to be ${allowed}, not ${seen}`)
}

function invalid(message: string): FsError {
  return new FsError('EINVAL', message)
}

/** Short, and of one line. */
function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) {
    const plain = typeof value === 'string' ? JSON.stringify(value) : String(value)
    return plain.length > 60 ? `${plain.slice(0, 60)}...` : plain
  }
  return Array.isArray(value) ? 'a list' : 'an object of another kind'
}
