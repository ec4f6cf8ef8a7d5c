/**
 * The names that a node of a cluster had before it took those of a coordinator that was restored
 * from an older backup: a copy of its database, from which the coordinator can be rebuilt. It stays
 * in place until the content of this node is settled (stray-content.ts), also across a crash, and
 * then moves to `conflicts/`.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Logger } from '../../base/log/logger.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { pathOf } from '../../metadata/pending-upload-rules.ts'
import { SqliteEngine } from '../../metadata/sqlite/sqlite-engine.ts'
import { volumeLimits } from '../limits.ts'

/** Inodes that are gone, or have other content, or an entry less, than in the names before. */
const SELECT_LOST = `SELECT was.ino FROM inode AS was LEFT JOIN now.inode AS is_ USING (ino)
  WHERE is_.ino IS NULL OR is_.version <> was.version
  UNION SELECT was.ino FROM dentry AS was LEFT JOIN now.dentry AS is_ USING (parent, name)
  WHERE is_.ino IS NULL OR is_.ino <> was.ino`

export class NamesBefore {
  readonly #directory: string
  readonly #logger: Logger

  constructor(directory: string, logger: Logger) {
    this.#directory = directory
    this.#logger = logger
  }

  get #path(): string {
    return join(this.#directory, 'volume.db.before')
  }

  /** Keeps a copy, unless an earlier one is still needed. */
  async keep(engine: SqliteEngine): Promise<void> {
    if (existsSync(this.#path)) return
    const part = `${this.#path}.part`
    rmSync(part, { force: true })
    await engine.copyTo(part)
    renameSync(part, this.#path)
  }

  /** Undefined: none are kept. Close it before `settle`. */
  open(): SqliteEngine | undefined {
    if (!existsSync(this.#path)) return undefined
    return new SqliteEngine(this.#path, new SharedMutex(new Int32Array(new SharedArrayBuffer(4))))
  }

  /** Logs what the names at `now` lack, and moves the copy to `conflicts/`. */
  settle(before: SqliteEngine, now: string): void {
    const { count, first } = inodesLost(this.#path, now)
    const paths = first.map((ino) => before.read(pathOf(ino)))
    before.close()
    if (count === 0) {
      rmSync(this.#path)
      return
    }
    makePrivateFolder(join(this.#directory, 'conflicts'))
    const kept = join(this.#directory, 'conflicts', `names-${Date.now()}.db`)
    renameSync(this.#path, kept)
    const named = paths.filter((path) => path !== undefined).join(', ')
    this.#logger.error(
      `${count} files differ from the restored names (${named}): the names before are in ` +
        `${kept}. To go back to them, start the coordinator on that file as its volume.db`,
    )
  }

  /** Path of names that were kept and that nobody has moved away; undefined: there are none. */
  static keptIn(directory: string): string | undefined {
    const folder = join(directory, 'conflicts')
    if (!existsSync(folder)) return undefined
    const name = readdirSync(folder).find((each) => /^names-\d+\.db$/.test(each))
    return name && join(folder, name)
  }
}

function inodesLost(before: string, now: string): { count: number; first: number[] } {
  const database = new DatabaseSync(before)
  try {
    database.prepare('ATTACH ? AS now').run(now)
    const row = database.prepare(`SELECT COUNT(*) AS count FROM (${SELECT_LOST})`).get()
    const first = database.prepare(`${SELECT_LOST} LIMIT ?`).all(volumeLimits.namedFiles)
    return { count: Number(row?.['count']), first: first.map(({ ino }) => Number(ino)) }
  } finally {
    database.close()
  }
}
