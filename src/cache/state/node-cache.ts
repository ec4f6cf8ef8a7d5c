/**
 * The parts that a thread needs to work on bytes of this node, opened together: the shared state,
 * the node's database, the backing files, the chunk index. Holds no state of its own.
 */
import { join } from 'node:path'
import { CurrentRequest } from '../../base/current-request.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import { BackingFiles as Files } from '../../tiers/nvme/backing-files.ts'
import { PreallocatedFiles } from '../../tiers/nvme/preallocated-files.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { PresenceCache } from './presence-cache.ts'
import { KernelBackings } from '../passthrough/kernel-backings.ts'
import { measure } from '../passthrough/passthrough-writes.ts'
import { NodeDatabase } from './node-database.ts'
import { RequestJournal } from './request-journal.ts'
import { SharedState, type SharedBuffers } from './shared-state.ts'

export interface CacheSettings {
  /** The NVMe directory. */
  directory: string
  chunkSize: number
  capacityBytes: number
  /** Space that stays free on the disk, bytes. */
  freeFloorBytes: number
  /** Bytes not in the cloud yet before writers wait. */
  maxUnsyncedBytes: number
  /** Age of the oldest write not in the cloud before writers wait, seconds; 0: no bound. */
  maxUnsyncedSeconds: number
  /** Smaller files are not read by the kernel itself, bytes. */
  passthroughFromBytes: number
}

export interface NodeCacheParts {
  index: ChunkIndex
  request?: CurrentRequest
  /** Descriptor of the mount's connection, where one is to be used beyond requests. */
  connection?: number | undefined
}

export class NodeCache {
  readonly settings: CacheSettings
  readonly shared: SharedState
  readonly database: NodeDatabase
  readonly files: BackingFiles
  readonly memory: PresenceCache
  readonly journal: RequestJournal
  readonly backings: KernelBackings
  readonly index: ChunkIndex

  constructor(
    settings: CacheSettings,
    buffers: SharedBuffers,
    { index, request = new CurrentRequest(), connection }: NodeCacheParts,
  ) {
    this.settings = settings
    this.index = index
    this.shared = new SharedState(buffers)
    const path = databasePath(settings.directory)
    const onDamage = (): void => this.shared.add('nodeDatabaseDamage', 1)
    this.database = new NodeDatabase(path, this.shared.nodeDatabase, onDamage)
    const changes = {
      generationOf: (ino: number) => this.shared.fileGeneration(ino),
      epoch: () => this.shared.fileEpoch,
    }
    const preallocatedFiles = new PreallocatedFiles(
      settings.directory,
      this.shared.preallocatedNumbers,
    )
    this.files = new Files(settings.directory, changes, preallocatedFiles)
    this.journal = new RequestJournal(this.shared.requestRecords, request)
    this.memory = new PresenceCache(this.shared)
    this.backings = new KernelBackings(connection)
  }

  /** Bytes of chunk `index` in a file of `size` bytes. */
  extent(index: number, size: number): number {
    const { chunkSize } = this.settings
    return Math.max(0, Math.min(chunkSize, size - index * chunkSize))
  }

  /** Size of the content as this node sees it, with what is not committed; under the lock. */
  sizeOf(ino: number): number {
    const open = this.shared.mayBeOpen(ino) ? this.shared.findOpen(ino) : undefined
    if (open !== undefined) {
      measure(this, ino, open)
      if (open.ahead || open.fresh || open.passthroughWrites) return open.size
    }
    const known = this.memory.of(ino)
    return (known.size ??= this.index.file(ino).size)
  }

  /** All of its bytes are in the backing file, whatever the databases say; under the lock. */
  isHere(ino: number): boolean {
    const open = this.shared.mayBeOpen(ino) ? this.shared.findOpen(ino) : undefined
    return open !== undefined && (open.fresh || open.passthroughWrites)
  }

  close(): void {
    this.files.close()
    this.database.close()
  }
}

export function databasePath(directory: string): string {
  return join(directory, 'node.db')
}
