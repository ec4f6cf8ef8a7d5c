/**
 * A database of this node that SQLite cannot read, and whose content can be had again: set aside
 * under another name, for people to look at, and made anew.
 */
import { existsSync, renameSync, rmSync } from 'node:fs'
import type { Logger } from '../../base/log/logger.ts'
import { isDatabaseDamage } from '../../base/sqlite-database.ts'

/** Opens it, or a new one; `rebuilt`: what a new one is filled from, as a sentence. */
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
    logger.error(`the database ${path} is damaged and was moved to ${kept}: ${rebuilt}`)
    return open()
  }
}
