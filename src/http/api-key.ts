/** The API key, compared in constant time: both sides are hashed, so that lengths do not show. */
import { createHash, timingSafeEqual } from 'node:crypto'

export class ApiKey {
  readonly #digest: Buffer

  constructor(key: string) {
    this.#digest = digest(key)
  }

  matches(given: unknown): boolean {
    return typeof given === 'string' && timingSafeEqual(digest(given), this.#digest)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
