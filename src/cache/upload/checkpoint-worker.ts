/**
 * The thread of checkpointer.ts: checkpoints both databases at intervals and, in between, makes
 * preallocated files, a few at a time. The first message ends it, after a last checkpoint.
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

export interface CheckpointSetup {
  /** The NVMe directory. */
  directory: string
  nodeDatabase: string
  metadataDatabase: string
  buffers: SharedBuffers
}

interface Target {
  path: string
  database: DatabaseSync
  mutex: SharedMutex
}

const setup = workerData as CheckpointSetup
const shared = new SharedState(setup.buffers)
const targets: Target[] = [
  target(setup.nodeDatabase, shared.nodeDatabase),
  target(setup.metadataDatabase, shared.metadataDatabase),
]
const preallocatedFiles = new PreallocatedFiles(setup.directory, shared.preallocatedNumbers)
let isClosing = false

function target(path: string, mutex: SharedMutex): Target {
  return { path, database: openDatabase(path), mutex }
}

function checkpoint({ path, database, mutex }: Target, last: boolean): void {
  try {
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    const bytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
    if (!last && bytes < cacheLimits.writeAheadLogBytes) return
    mutex.with(0, () => {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    })
  } catch (error) {
    parentPort?.postMessage(`checkpoint of ${path}: ${describe(error)}`)
  }
}

async function refillPreallocated(): Promise<void> {
  preallocatedFiles.takeOver()
  while (!isClosing) {
    if (!preallocatedFiles.fill()) await preallocatedFiles.low(cacheLimits.housekeepingMs)
    await new Promise(setImmediate)
  }
}

const timer = setInterval(() => {
  for (const each of targets) checkpoint(each, false)
}, cacheLimits.housekeepingMs)

parentPort?.once('message', () => {
  isClosing = true
  clearInterval(timer)
  for (const each of targets) {
    checkpoint(each, true)
    each.database.close()
  }
  parentPort?.close()
})

void refillPreallocated()
