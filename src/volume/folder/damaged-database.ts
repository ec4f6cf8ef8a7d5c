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
    const kept = quarantine(path, 'damaged')
    logger.error(`the database ${path} is damaged and was moved to ${kept}: ${rebuilt}`)
    return open()
  }
}

/** Moves a database that no process uses to another name, and returns that path. */
export function quarantine(path: string, reason: 'damaged' | 'older'): string {
  const prefix = `${path}.${reason}-`
  const kept = `${prefix}${Date.now()}`
  for (const end of ['', '-wal']) {
    if (existsSync(path + end)) renameSync(path + end, kept + end)
  }
  rmSync(`${path}-shm`, { force: true })
  removeOldest(prefix)
  return kept
}

/** All that these files had was rebuilt: the newest are enough to examine. */
function removeOldest(prefix: string): void {
  const folder = dirname(prefix)
  const names = readdirSync(folder).filter((name) => name.startsWith(basename(prefix)))
  const kept = names.filter((name) => !name.endsWith('-wal')).sort()
  for (const name of kept.slice(0, -volumeLimits.damagedDatabases)) {
    for (const end of ['', '-wal']) rmSync(join(folder, name + end), { force: true })
  }
}
