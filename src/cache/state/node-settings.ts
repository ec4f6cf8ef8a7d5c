/**
 * Settings of a node that outlive its processes, by name: how the last one ended, where the scrub
 * was.
 */
import type { NodeDatabase } from './node-database.ts'

export class NodeSettings {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  get(name: string): string | undefined {
    const sql = 'SELECT value FROM setting WHERE name = ?'
    return this.#database.one<{ value: string }>(sql, name)?.value
  }

  /** Call inside a transaction. */
  set(name: string, value: string): void {
    this.#database.run('INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)', name, value)
  }
}
