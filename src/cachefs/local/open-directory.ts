/** A directory opened like a file: it can be examined but not read, as in Node. */
import { failure } from '../../filesystem/failure.ts'
import type { OpenFile } from '../../filesystem/open-file.ts'
import type { Stats } from '../../filesystem/stats.ts'

export class OpenDirectory implements OpenFile {
  readonly #stats: Stats

  constructor(stats: Stats) {
    this.#stats = stats
  }

  async read(): Promise<number> {
    throw failure('EISDIR', 'read')
  }

  async write(): Promise<void> {
    throw failure('EISDIR', 'write')
  }

  async stat(): Promise<Stats> {
    return this.#stats
  }

  async truncate(): Promise<void> {
    throw failure('EISDIR', 'ftruncate')
  }

  async change(): Promise<void> {
    throw failure('EISDIR', 'fchmod')
  }

  async sync(): Promise<void> {
    // Changes of names are safe as soon as they are made.
  }

  async close(): Promise<void> {
    // There is nothing to release.
  }
}
