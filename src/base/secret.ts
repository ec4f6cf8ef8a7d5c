/**
 * A secret text that is compared in constant time. Both sides are hashed, so that the comparison
 * reveals neither a common prefix nor the lengths.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

export class Secret {
  readonly #digest: Buffer

  constructor(text: string) {
    this.#digest = digest(text)
  }

  matches(given: unknown): boolean {
    return typeof given === 'string' && timingSafeEqual(digest(given), this.#digest)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
