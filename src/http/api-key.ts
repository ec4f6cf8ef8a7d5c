/**
 * The API key of a program, as requests carry it. Compared in constant time: both sides are hashed,
 * so that lengths do not show. Without a key, or with an empty one, every request is let in.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { HttpError } from './http-error.ts'

export class ApiKey {
  readonly #digest: Buffer | undefined

  constructor(key: string | undefined) {
    this.#digest = key === undefined || key === '' ? undefined : digest(key)
  }

  /** Throws 401 where the headers do not carry it. */
  check(headers: IncomingHttpHeaders): void {
    if (this.#digest === undefined) return
    const given = givenKey(headers)
    if (typeof given === 'string' && timingSafeEqual(digest(given), this.#digest)) return
    throw new HttpError(401, 'EACCES', 'send the API key in the header X-API-Key')
  }
}

/** Prometheus, for one, can send a bearer token and no header of its own. */
function givenKey(headers: IncomingHttpHeaders): unknown {
  return headers['x-api-key'] ?? /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
