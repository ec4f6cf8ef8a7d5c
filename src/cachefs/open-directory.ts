/** A directory that was opened like a file: it can be looked at and not read, as in Node. */
import { failure } from '../filesystem/failure.ts'
import type { OpenFile } from '../filesystem/open-file.ts'
import type { Stats } from '../filesystem/stats.ts'

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
    // Names are safe as soon as they are changed.
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}
