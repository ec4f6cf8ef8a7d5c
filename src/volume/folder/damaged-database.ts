/**
 * Replaces a database of this node that SQLite cannot read and that can be rebuilt from elsewhere.
 * The damaged file is kept under another name for people to examine, and a new one is created.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Logger } from '../../base/log/logger.ts'
import { isDatabaseDamage } from '../../base/sqlite-database.ts'
import { volumeLimits } from '../limits.ts'

/**
 * Opens the database, or a new one. `rebuilt`: a sentence for the log that names the source from
 * which a new one is filled.
 */
export function openOrQuarantine<T>(
  path: string,
  open: () => T,
  { logger, rebuilt }: { logger: Logger; rebuilt: string },
): T {
  try {
    return open()
  } catch (error) {
    if (!isDatabaseDamage(error)) throw error
    const kept = `${path}.damaged-${Date.now()}`
    for (const end of ['', '-wal']) {
      if (existsSync(path + end)) renameSync(path + end, kept + end)
    }
    rmSync(`${path}-shm`, { force: true })
    removeOldest(path)
    logger.error(`the database ${path} is damaged and was moved to ${kept}: ${rebuilt}`)
    return open()
  }
}

/** All that these files had was rebuilt: the newest are enough to examine. */
function removeOldest(path: string): void {
  const prefix = `${basename(path)}.damaged-`
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix))
  const kept = names.filter((name) => !name.endsWith('-wal')).sort()
  for (const name of kept.slice(0, -volumeLimits.damagedDatabases)) {
    for (const end of ['', '-wal']) rmSync(join(dirname(path), name + end), { force: true })
  }
}
