/**
 * What a start does about a database that is an older copy (cache/state/state-stamps.ts). The names
 * of a single-node volume exist nowhere else, so an older `volume.db` is refused until somebody
 * accepts it. A copy of the metadata in a cluster, and `node.db`, are filled again from elsewhere.
 *
 * Invariant: a start that is refused has changed nothing.
 */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FsError } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { findCopies, type FoundCopies } from '../../cache/state/state-stamps.ts'
import { quarantine } from './damaged-database.ts'

export interface StartOnCopies {
  directory: string
  /** A coordinator has the names. */
  isClustered: boolean
  /** Code of the older `volume.db` that somebody accepted; undefined: none. */
  acceptedNames: string | undefined
  logger: Logger
}

/** Returns whether the names are older than the content on this node. EINVAL: not accepted. */
export function settleOlderCopies(start: StartOnCopies): boolean {
  const { directory, isClustered, acceptedNames, logger } = start
  const found = findCopies(directory)
  const isOlder = found.volume === 'older'
  if (isOlder && !isClustered && acceptedNames !== found.code) throw refusal(directory, found)
  if (found.volume === 'moved' && !isClustered) {
    logger.warn(
      `${join(directory, 'volume.db')} comes from another directory or from a backup: ` +
        'files that were made later are not in it',
    )
  }
  if (isOlder && isClustered) quarantineOlder(directory, 'volume.db', 'names come again', logger)
  if (found.node === 'older') {
    quarantineOlder(directory, 'node.db', 'durable content comes from the cloud', logger)
    // Nothing tells which backing file has which content.
    if (isOlder && !isClustered) moveContent(directory, logger)
  }
  return found.volume !== 'current' && !isClustered
}

function refusal(directory: string, { code, volumeMs, lastMs }: FoundCopies): FsError {
  const path = join(directory, 'volume.db')
  const message =
    `${path} (${timeOf(volumeMs)}) is older than the content of ${directory} ` +
    `(${timeOf(lastMs)}): it was restored from a backup, or replaced by a copy. ` +
    'Put the newer volume.db back. If it is ' +
    `lost, start once with -accept-older-names ${code}: names made or changed since then are ` +
    'gone, and content without a name is moved to conflicts/'
  return new FsError('EINVAL', message, { path })
}

function timeOf(ms: number): string {
  return ms === 0 ? 'of unknown time' : `last changed ${new Date(ms).toISOString()}`
}

function quarantineOlder(directory: string, name: string, rebuilt: string, logger: Logger): void {
  const path = join(directory, name)
  const kept = quarantine(path, 'older')
  logger.error(`${path} is an older copy and was moved to ${kept}: ${rebuilt}`)
}

function moveContent(directory: string, logger: Logger): void {
  makePrivateFolder(join(directory, 'conflicts'))
  const kept = join(directory, 'conflicts', `data-${Date.now()}`)
  renameSync(join(directory, 'data'), kept)
  rmSync(join(directory, 'open-inodes'), { force: true })
  logger.error(`content of ${directory} whose names and states are lost was moved to ${kept}`)
}
