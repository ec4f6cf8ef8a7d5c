/**
 * Parses keys and tokens from flags, variables and files.
 *
 * Invariant: no error message repeats a secret, or a password in a URL.
 */
import { closeSync, openSync, readFileSync, fstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe } from '../base/fs-error.ts'
import { UsageError } from './usage-error.ts'

const SECRET_CHARACTERS_MAX = 1024
/** Characters that an HTTP header can carry. */
const PRINTABLE = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/

/** Scheme, user and password, the rest. */
const URL_PARTS = /([a-z][a-z\d+.-]*:\/\/)([^/?#]*@)?(.*)/is

/** A URL without its password and query; a query may carry a token. */
export function withoutPasswords(text: string): string {
  return text.replace(URL_PARTS, (_, scheme: string, user: string | undefined, rest: string) => {
    return `${scheme}${(user ?? '').replace(/:.*/s, '@')}${rest.replace(/\?.*/s, '')}`
  })
}

/** Trims the text, as a file ends in a line break. A UsageError does not repeat the text. */
export function parseSecret(text: string): string {
  const secret = text.trim()
  // The example in k8s/ is public.
  if (/^replace-me/i.test(secret)) {
    throw new UsageError('this is the example: make a key of your own (openssl rand -hex 32)')
  }
  if (PRINTABLE.test(secret) && secret.length <= SECRET_CHARACTERS_MAX) return secret
  throw new UsageError(
    `give one line of up to ${SECRET_CHARACTERS_MAX} printable ASCII characters ` +
      '(openssl rand -hex 32)',
  )
}

/** Reads the secret from a file. */
export function parseSecretFile(text: string): string {
  const path = resolve(text)
  return parseSecret(readSmall(path))
}

function readSmall(path: string): string {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const { size } = fstatSync(fd)
    return size > 2 * SECRET_CHARACTERS_MAX ? '' : readFileSync(fd, 'utf8')
  } catch (error) {
    throw new UsageError(`the file cannot be read: ${describe(error)}`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
