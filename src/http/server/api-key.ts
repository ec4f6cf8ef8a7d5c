/**
 * The API key of a program, as requests carry it, and the token that opens `/metrics` alone. Both
 * are compared in constant time.
 *
 * Invariant: there is no API without a key.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { FsError } from '../../base/fs-error.ts'
import { Secret } from '../../base/secret.ts'
import { HttpError } from './http-error.ts'

export const METRICS_PATH = '/metrics'

export class ApiKey {
  readonly #key: Secret
  readonly #metricsToken: Secret | undefined

  constructor(key: string, metricsToken?: string) {
    if (key === '' || metricsToken === '') throw new FsError('EINVAL', 'an API key is not empty')
    this.#key = new Secret(key)
    this.#metricsToken = metricsToken === undefined ? undefined : new Secret(metricsToken)
  }

  matches(headers: IncomingHttpHeaders): boolean {
    return this.#key.matches(givenKey(headers))
  }

  /** Throws 401 where the headers do not carry it. */
  check(headers: IncomingHttpHeaders, path?: string): void {
    const given = givenKey(headers)
    if (this.#key.matches(given)) return
    if (path === METRICS_PATH && this.#metricsToken?.matches(given) === true) return
    throw new HttpError(401, 'EACCES', 'send the API key in the header X-API-Key')
  }
}

/** Prometheus, for one, can send a bearer token and no header of its own. */
function givenKey(headers: IncomingHttpHeaders): unknown {
  return headers['x-api-key'] ?? /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}
