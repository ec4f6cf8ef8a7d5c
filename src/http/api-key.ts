/**
 * The API key of a program, as requests carry it, compared in constant time. Without a key, or with
 * an empty one, every request is let in.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { Secret } from '../base/secret.ts'
import { HttpError } from './http-error.ts'

export class ApiKey {
  readonly #secret: Secret | undefined

  constructor(key: string | undefined) {
    this.#secret = key === undefined || key === '' ? undefined : new Secret(key)
  }

  /** Throws 401 where the headers do not carry it. */
  check(headers: IncomingHttpHeaders): void {
    if (this.#secret === undefined || this.#secret.matches(givenKey(headers))) return
    throw new HttpError(401, 'EACCES', 'send the API key in the header X-API-Key')
  }
}

/** Prometheus, for one, can send a bearer token and no header of its own. */
function givenKey(headers: IncomingHttpHeaders): unknown {
  return headers['x-api-key'] ?? /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}
