/**
 * The API key and the metrics token of a program. Each is given by the user, or generated at the
 * first start and kept in the state folder in a file of mode 0600 (base/kept-secret.ts).
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { FsError } from '../base/fs-error.ts'
import { keepSecret, readSecret } from '../base/kept-secret.ts'
import { parseSecret } from '../options/secret-text.ts'

const SECRET_BYTES = 32

export interface ApiSecrets {
  /** Requests carry it in X-API-Key. */
  apiKey: string
  /** Opens `/metrics` and nothing else. */
  metricsToken: string
}

/** Secrets that the user gave; undefined fields were not given. */
export interface GivenSecrets {
  apiKey?: string | undefined
  metricsToken?: string | undefined
}

/**
 * The given secrets, else those kept in the folder, else new ones, which `keepSecrets` must then
 * write.
 */
export function findSecrets(folder: string, given: GivenSecrets): ApiSecrets {
  return {
    apiKey: given.apiKey ?? readKept(keyFile(folder)) ?? newSecret(),
    metricsToken: given.metricsToken ?? readKept(tokenFile(folder)) ?? newSecret(),
  }
}

/** Writes the secrets that were not given, unless they are kept already. */
export function keepSecrets(folder: string, secrets: ApiSecrets, given: GivenSecrets): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (given.apiKey === undefined) keepSecret(keyFile(folder), secrets.apiKey)
  if (given.metricsToken === undefined) keepSecret(tokenFile(folder), secrets.metricsToken)
}

export function keyFile(folder: string): string {
  return join(folder, 'api-key')
}

function tokenFile(folder: string): string {
  return join(folder, 'metrics-token')
}

export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex')
}

/** The secret in a file of the folder. EINVAL: the file was damaged. */
export function readKept(path: string): string | undefined {
  const text = readSecret(path)
  try {
    return text === undefined ? undefined : parseSecret(text)
  } catch {
    const message = `${path} is damaged: restore it, or remove it and a new one is made`
    throw new FsError('EINVAL', message, { path })
  }
}
