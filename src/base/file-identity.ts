/**
 * Notices that another file took the place of a file that this process has open, or that the name
 * was removed: what is written from then on is lost with the last descriptor.
 */
import { statSync } from 'node:fs'

export class FileIdentity {
  readonly path: string
  readonly #identity: string

  /** Call after the file was opened. */
  constructor(path: string) {
    this.path = path
    this.#identity = identityOf(path)
  }

  /** Whether the path still leads to the same file. */
  isInPlace(): boolean {
    return identityOf(this.path) === this.#identity
  }
}

/** Empty: there is no such file. */
function identityOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`
}
