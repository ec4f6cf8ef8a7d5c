/**
 * The thread of checkpointer.ts: renews the stamps of both databases and checkpoints them at
 * intervals and, in between, makes preallocated files, a few at a time. The first message ends it,
 * after a last checkpoint.
 */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { describe } from '../../base/fs-error.ts'
import { openDatabase } from '../../base/sqlite-database.ts'
import type { SharedMutex } from '../../base/async/shared-mutex.ts'
import { cacheLimits } from '../limits.ts'
import { PreallocatedFiles } from '../../tiers/nvme/preallocated-files.ts'
import { SharedState, type SharedBuffers } from '../state/shared-state.ts'
import { StateStamps, type DatabaseName } from '../state/state-stamps.ts'

export interface CheckpointSetup {
  /** The NVMe directory. */
  directory: string
  nodeDatabase: string
  metadataDatabase: string
  buffers: SharedBuffers
}

interface Target {
  name: DatabaseName
  path: string
  database: DatabaseSync
  mutex: SharedMutex
}

const setup = workerData as CheckpointSetup
const shared = new SharedState(setup.buffers)
const targets = {
  'node.db': target('node.db', setup.nodeDatabase, shared.nodeDatabase),
  'volume.db': target('volume.db', setup.metadataDatabase, shared.metadataDatabase),
}
const stamps = new StateStamps(setup.directory, targets)
const preallocatedFiles = new PreallocatedFiles(setup.directory, shared.preallocatedNumbers)
let isClosing = false

function target(name: DatabaseName, path: string, mutex: SharedMutex): Target {
  return { name, path, database: openDatabase(path), mutex }
}

function checkpointAll(last: boolean): void {
  attempt('renewing the stamps', () => stamps.renew())
  for (const each of Object.values(targets)) {
    attempt(`checkpoint of ${each.path}`, () => checkpoint(each, last))
  }
  attempt('publishing the stamps', () => stamps.publish())
}

function attempt(what: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    parentPort?.postMessage(`${what}: ${describe(error)}`)
  }
}

function checkpoint({ name, path, database, mutex }: Target, last: boolean): void {
  const { log, checkpointed } = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()!
  if (log === checkpointed) stamps.noteBase(name)
  const bytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  if (!last && bytes < cacheLimits.writeAheadLogBytes) return
  mutex.with(0, () => {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  })
}

async function refillPreallocated(): Promise<void> {
  preallocatedFiles.takeOver()
  while (!isClosing) {
    if (!preallocatedFiles.fill()) await preallocatedFiles.low(cacheLimits.housekeepingMs)
    await new Promise(setImmediate)
  }
}

const timer = setInterval(() => {
  checkpointAll(false)
}, cacheLimits.housekeepingMs)

parentPort?.once('message', () => {
  isClosing = true
  clearInterval(timer)
  checkpointAll(true)
  for (const { database } of Object.values(targets)) database.close()
  parentPort?.close()
})

checkpointAll(false)
void refillPreallocated()
