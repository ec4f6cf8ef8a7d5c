/**
 * Validation of the library's options where they enter. Programs in JavaScript have no compiler to
 * detect a mistyped option, and its effect would show much later.
 *
 * Invariant: an error names the option, its value and the allowed values; it never contains the
 * value of a secret.
 */
import * as z from 'zod/mini'
import { FsError } from './fs-error.ts'

export interface OptionRule {
  isAllowed: (value: unknown) => boolean
  /** Completes 'ttlMs must be ...'. */
  allowed: string
  isRequired?: true
  isSecret?: true
}

export type OptionRules = Readonly<Record<string, OptionRule>>

export function amount(allowed: string, least = 0): OptionRule {
  const schema = z.number().check(z.minimum(least))
  // Infinity means no limit.
  const isAllowed = (value: unknown): boolean =>
    value === Infinity || z.safeParse(schema, value).success
  return { allowed: `${allowed}, a number from ${least}`, isAllowed }
}

export function text(allowed: string): OptionRule {
  return of(z.string(), allowed)
}

/** Non-empty text. */
export function name(allowed: string): OptionRule {
  return of(z.string().check(z.minLength(1)), allowed)
}

export function address(allowed: string): OptionRule {
  const isAllowed = (value: unknown): boolean => {
    return typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)
  }
  return { allowed, isAllowed }
}

/** The file systems that the library wraps and combines. */
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

/** An object of another package, recognized by its methods. */
export function withMethods(allowed: string, ...names: string[]): OptionRule {
  const isAllowed = (value: unknown): boolean => {
    const object = (value ?? {}) as Record<string, unknown>
    return names.every((name) => typeof object[name] === 'function')
  }
  return { allowed, isAllowed }
}

/** Throws EINVAL if `options` violate the rules; `whose` is the class or function, for messages. */
export function checkOptions(whose: string, rules: OptionRules, options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${whose}: options must be an object, not ${shown(options)}`)
  }
  const given = options as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(rules, name)) continue
    throw invalid(`${whose} has no option ${name}, only ${Object.keys(rules).join(', ')}`)
  }
  for (const [name, rule] of Object.entries(rules)) checkOption(whose, name, rule, given[name])
}

export function checkOption(whose: string, name: string, rule: OptionRule, value: unknown): void {
  const { allowed, isAllowed, isRequired = false, isSecret = false } = rule
  if (value === undefined) {
    if (isRequired) throw invalid(`${whose}: ${name} is missing: it must be ${allowed}`)
    return
  }
  if (isAllowed(value)) return
  const seen = isSecret ? 'another type' : shown(value)
  throw invalid(`${whose}: ${name} must be ${allowed}, not ${seen}`)
}

function invalid(message: string): FsError {
  return new FsError('EINVAL', message)
}

/** A short form of the value, on one line. */
function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) {
    const plain = typeof value === 'string' ? JSON.stringify(value) : String(value)
    return plain.length > 60 ? `${plain.slice(0, 60)}...` : plain
  }
  return Array.isArray(value) ? 'a list' : 'an object of another kind'
}
