/**
 * The cache of one thread, put together: its connections, descriptors and caches over the state
 * that the threads of the node share, and what works on them. Whoever builds a part that uses the
 * cache has this in hand; each part names what it needs of it (`EvictorParts`), and nothing else.
 */
import { CurrentRequest } from '../../base/current-request.ts'
import { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import { PreallocatedFiles } from '../../tiers/nvme/preallocated-files.ts'
import { ChunkChecks } from '../checks/chunk-checks.ts'
import { LostChunkTable } from '../checks/lost-chunk-table.ts'
import { LostChunks } from '../checks/lost-chunks.ts'
import { KernelBackings } from '../passthrough/kernel-backings.ts'
import { PassthroughWrites } from '../passthrough/passthrough-writes.ts'
import { UntrackedWrites } from '../passthrough/untracked-writes.ts'
import { VoidBytes } from '../passthrough/void-bytes.ts'
import { ChunkPromotion } from '../read/chunk-promotion.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { ReplicaTable } from '../replicas/replica-table.ts'
import { Reservations } from '../space/reservations.ts'
import { Space } from '../space/space.ts'
import { UploadJournal } from '../upload/upload-journal.ts'
import { CommitSteps } from '../write/commit-steps.ts'
import { DeletedFiles } from '../write/deleted-files.ts'
import { PreImages } from '../write/pre-images.ts'
import { SupersededUploads } from '../write/superseded-uploads.ts'
import { databasePath, type CacheSettings } from './cache-settings.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { ChunkTable } from './chunk-table.ts'
import { CurrentContent } from './current-content.ts'
import { NodeDatabase } from './node-database.ts'
import { NodeSettings } from './node-settings.ts'
import { PresenceCache } from './presence-cache.ts'
import { RequestJournal } from './request-journal.ts'
import { SharedState, type SharedBuffers } from './shared-state.ts'
import { UncommittedTable } from './uncommitted-table.ts'

export interface NodeCacheParts {
  index: ChunkIndex
  request?: CurrentRequest
  /** Descriptor of the connection of the mount, if it is also used outside requests. */
  connection?: number | undefined
}

export type NodeCache = ReturnType<typeof openNodeCache>

export function openNodeCache(
  settings: CacheSettings,
  buffers: SharedBuffers,
  { index, request = new CurrentRequest(), connection }: NodeCacheParts,
) {
  const shared = new SharedState(buffers)
  const state = {
    ...{ settings, index, request, shared },
    ...openTables(settings, shared),
    files: openFiles(settings, shared),
    journal: new RequestJournal(shared.requestRecords, request),
    presence: new PresenceCache(shared),
    backings: new KernelBackings(connection),
    space: new Space({ settings, shared }),
  }
  const passthroughWrites = new PassthroughWrites(state)
  const content = new CurrentContent({ ...state, passthroughWrites })
  const preImages = new PreImages(state)
  const lost = new LostChunks({ ...state, content, preImages })
  const contents = { ...state, passthroughWrites, content, preImages, lost }
  const superseded = new SupersededUploads(contents)
  const untracked = new UntrackedWrites(contents)
  return {
    ...{ ...contents, superseded, untracked },
    checks: new ChunkChecks(contents),
    chunkReader: new ChunkReader(contents),
    commits: new CommitSteps({ ...contents, superseded, untracked }),
    deletions: new DeletedFiles(contents),
    promotion: new ChunkPromotion(contents),
    reservations: new Reservations(contents),
    voidBytes: new VoidBytes(contents),
    close: () => {
      state.files.close()
      state.database.close()
    },
  }
}

function openTables(settings: CacheSettings, shared: SharedState) {
  const onDamage = (): void => shared.add('nodeDatabaseDamage', 1)
  const path = databasePath(settings.directory)
  const database = new NodeDatabase(path, shared.nodeDatabase, onDamage)
  return {
    database,
    chunks: new ChunkTable(database),
    uploads: new UploadJournal(database),
    uncommitted: new UncommittedTable(database),
    lostTable: new LostChunkTable(database),
    replicaTable: new ReplicaTable(database),
    settingTable: new NodeSettings(database),
  }
}

function openFiles(settings: CacheSettings, shared: SharedState): BackingFiles {
  const changes = {
    generationOf: (ino: number) => shared.fileGeneration(ino),
    epoch: () => shared.fileEpoch,
  }
  const preallocated = new PreallocatedFiles(settings.directory, shared.preallocatedNumbers)
  return new BackingFiles(settings.directory, changes, preallocated)
}
