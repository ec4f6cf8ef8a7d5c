/**
 * A text that somebody else has to know. Compared in constant time: both sides are hashed, so that
 * neither what they have in common nor their lengths show.
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
