/**
 * Checks the API key of a program, and the token that opens only `/metrics`. Both are compared in
 * constant time.
 *
 * Invariant: every API has a key; an empty key is refused.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { FsError } from '../../base/fs-error.ts'
import { Secret } from '../../base/secret.ts'
import { HttpError } from '../../filesystem/http/service/http-error.ts'

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

  /** Throws 401 unless the headers carry the key, or on `/metrics` the metrics token. */
  check(headers: IncomingHttpHeaders, path?: string): void {
    const given = givenKey(headers)
    if (this.#key.matches(given)) return
    if (path === METRICS_PATH && this.#metricsToken?.matches(given) === true) return
    throw new HttpError(401, 'EACCES', 'send the API key in the header X-API-Key')
  }
}

/** Bearer tokens are accepted because Prometheus, for example, cannot send custom headers. */
function givenKey(headers: IncomingHttpHeaders): unknown {
  return headers['x-api-key'] ?? /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}
