/**
 * `coordinator migrate`: moves the metadata of a volume from SQLite to PostgreSQL. The coordinator
 * must be stopped, as migrate locks its directory. Nodes wait, and connect to the next coordinator.
 * The SQLite file is renamed, so that no coordinator uses it again.
 */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FsError } from '../../base/fs-error.ts'
import { loggerOf } from '../../base/log/logger.ts'
import { copyFromSqlite } from '../../metadata/postgres/copy-from-sqlite.ts'
import { DirectoryLock } from '../../volume/folder/directory-lock.ts'
import type { CoordinatorOptions } from '../../options/coordinator-options.ts'
import { DATA, openSource } from '../../node/start-coordinator.ts'
import { UsageError } from '../../options/usage-error.ts'

/** Returns a sentence that reports what was copied. */
export async function migrate(options: CoordinatorOptions): Promise<string> {
  const { dataDir, postgres } = options
  if (postgres === undefined) throw new UsageError('--store: give postgres://USER@HOST/DATABASE')
  const path = join(dataDir, 'volume.db')
  if (!existsSync(path)) throw new FsError('ENOENT', `${path}: there are no names to migrate`)
  await using parts = new AsyncDisposableStack()
  const lock = DirectoryLock.take(dataDir, DATA)
  parts.defer(() => lock.release())
  const from = new DatabaseSync(path)
  const isOpen = { value: true }
  parts.defer(() => {
    if (isOpen.value) from.close()
  })
  const source = await openSource(options, () => '', loggerOf('COORDINATOR'))
  parts.defer(() => source.close())
  const turn = await source.next(new AbortController().signal)
  parts.defer(async () => {
    await turn.engine.close()
    await turn.resign()
  })
  const rows = await turn.engine.transact(() => copyFromSqlite(from))
  from.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  from.close()
  isOpen.value = false
  renameSync(path, `${path}.migrated`)
  return `${rows} rows are in ${postgres.shown}; what they came from is ${path}.migrated`
}
