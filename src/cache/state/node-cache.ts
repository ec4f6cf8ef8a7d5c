/**
 * The parts that a thread needs to work on chunk data of this node, opened together: shared state,
 * node database, backing files, request journal, presence cache, kernel backings, and the chunk
 * index. This class has no state of its own.
 */
import { join } from 'node:path'
import { CurrentRequest } from '../../base/current-request.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import { BackingFiles as Files } from '../../tiers/nvme/backing-files.ts'
import { PreallocatedFiles } from '../../tiers/nvme/preallocated-files.ts'
import { LostChunkTable } from '../checks/lost-chunk-table.ts'
import { ReplicaTable } from '../replicas/replica-table.ts'
import { UploadJournal } from '../upload/upload-journal.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { ChunkTable } from './chunk-table.ts'
import { NodeSettings } from './node-settings.ts'
import { UncommittedTable } from './uncommitted-table.ts'
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
  /** Bytes of pending uploads and uncommitted writes; beyond it, writers wait. */
  maxUnsyncedBytes: number
  /**
   * Age of the oldest write that is not in the cloud, seconds; beyond it, writers wait. 0: no
   * bound.
   */
  maxUnsyncedSeconds: number
  /** Smaller files are not opened for passthrough reads, bytes. */
  passthroughFromBytes: number
}

export interface NodeCacheParts {
  index: ChunkIndex
  request?: CurrentRequest
  /** Descriptor of the connection of the mount, if it is also used outside requests. */
  connection?: number | undefined
}

export class NodeCache {
  readonly settings: CacheSettings
  readonly request: CurrentRequest
  readonly shared: SharedState
  readonly database: NodeDatabase
  readonly chunks: ChunkTable
  readonly uploads: UploadJournal
  readonly uncommitted: UncommittedTable
  readonly lostTable: LostChunkTable
  readonly replicaTable: ReplicaTable
  readonly settingTable: NodeSettings
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
    this.request = request
    this.index = index
    this.shared = new SharedState(buffers)
    const path = databasePath(settings.directory)
    const onDamage = (): void => this.shared.add('nodeDatabaseDamage', 1)
    this.database = new NodeDatabase(path, this.shared.nodeDatabase, onDamage)
    this.chunks = new ChunkTable(this.database)
    this.uploads = new UploadJournal(this.database)
    this.uncommitted = new UncommittedTable(this.database)
    this.lostTable = new LostChunkTable(this.database)
    this.replicaTable = new ReplicaTable(this.database)
    this.settingTable = new NodeSettings(this.database)
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

  /**
   * Size of the file on this node, bytes, with uncommitted writes. Call under the lock of the
   * inode.
   */
  sizeOf(ino: number): number {
    const open = this.shared.mayBeOpen(ino) ? this.shared.findOpen(ino) : undefined
    if (open !== undefined) {
      measure(this, ino, open)
      if (open.ahead || open.fresh || open.passthroughWrites) return open.size
    }
    const known = this.memory.of(ino)
    return (known.size ??= this.index.file(ino).size)
  }

  /** Whether the backing file has all bytes, regardless of the databases. Call under the lock. */
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
