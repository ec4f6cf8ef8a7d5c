/** Metadata store in one SQLite file: the process that owns the directory leads for good. */
import { FileIdentity } from '../../base/file-identity.ts'
import type { LeaderTerm, MetadataSource, StoreDamage } from '../store-engine.ts'
import { SqliteStoreEngine } from './sqlite-store-engine.ts'

export class SqliteSource implements MetadataSource {
  readonly isShared = false
  readonly leaderUrl = ''
  damage: StoreDamage | undefined
  readonly #path: string
  #file: FileIdentity | undefined
  #replaced: StoreDamage | undefined

  constructor(path: string) {
    this.#path = path
  }

  get replaced(): StoreDamage | undefined {
    if (this.#file?.isInPlace() !== false) this.#replaced = undefined
    else this.#replaced ??= { path: this.#path, since: new Date() }
    return this.#replaced
  }

  async next(): Promise<LeaderTerm> {
    const engine = SqliteStoreEngine.open(this.#path, () => {
      this.damage ??= { path: this.#path, since: new Date() }
    })
    this.#file = new FileIdentity(this.#path)
    return { engine, over: Promise.withResolvers<void>().promise, resign: async () => undefined }
  }

  async close(): Promise<void> {
    // The owner of the term closes its engine.
  }
}
