/**
 * One thread's instance of the volume: its own database connections, descriptors and caches, over
 * the state that all threads of the node share. The mount's workers import this module too.
 */
import { join } from 'node:path'
import { CurrentRequest } from '../base/current-request.ts'
import { FileCommitter } from '../cache/write/file-committer.ts'
import { FileReader } from '../cache/read/file-reader.ts'
import { FileWriter } from '../cache/write/file-writer.ts'
import { MmapWrites } from '../cache/passthrough/mmap-writes.ts'
import type { CacheSettings } from '../cache/state/cache-settings.ts'
import { openNodeCache, type NodeCache } from '../cache/state/node-cache.ts'
import { Passthrough } from '../cache/passthrough/passthrough.ts'
import { SharedState, type SharedBuffers } from '../cache/state/shared-state.ts'
import type { Durability } from '../metadata/durability.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import { ReplicaEngine } from '../metadata/replica-engine.ts'
import { SqliteEngine } from '../metadata/sqlite/sqlite-engine.ts'
import { MetadataIndex } from './metadata-index.ts'
import { NumberSource } from './number-source.ts'
import { Volume } from './volume.ts'
import { VolumeLocks } from './locks/volume-locks.ts'

/** Plain data: it is sent to worker threads. */
export interface ThreadSettings {
  cache: CacheSettings
  buffers: SharedBuffers
  spaceDirectory: string
  cloudName: string
  /** Memory of the node's lock marks; undefined if the kernel keeps the file locks. */
  lockMarks: SharedArrayBuffer | undefined
  /** Default durability, where no directory has a policy. */
  durability: Durability
  /** A coordinator keeps the metadata; this node has a copy. */
  isReplica: boolean
  /** Id of a mount that outlives this process. */
  mountId: string | undefined
  /** Descriptor of its FUSE connection. */
  connection: number | undefined
}

/** First read of a chunk that was fetched ahead. */
export interface FirstUse {
  ino: number
  index: number
}

export interface VolumeThread {
  volume: Volume
  engine: MetadataEngine
  cache: NodeCache
  committer: FileCommitter
  mapped: MmapWrites
}

export function metadataPath(directory: string): string {
  return join(directory, 'volume.db')
}

/** `kernelKnows`: see NamesParts. */
export function openVolumeThread(
  settings: ThreadSettings,
  onFirstUse: (use: FirstUse) => void,
  { isMain = true, kernelKnows = (_ino: number): boolean => false } = {},
): VolumeThread {
  const { cache: cacheSettings, buffers, spaceDirectory, cloudName, durability } = settings
  const shared = new SharedState(buffers)
  const path = metadataPath(cacheSettings.directory)
  const request = new CurrentRequest()
  const locks = new VolumeLocks(request, settings.lockMarks)
  const { mountId, connection } = settings
  // If the mount ends with the process, the kernel never resends requests to a successor.
  const onDamage = (): void => shared.add('metadataDamage', 1)
  const options = mountId === undefined ? { onDamage } : { request, onDamage }
  const local = new SqliteEngine(path, shared.metadataDatabase, options)
  const validUntil = (): number => shared.validUntilMs
  const engine = settings.isReplica
    ? new ReplicaEngine(local, { isMain, validUntil, mountId, request })
    : local
  const numbers = new NumberSource(engine)
  const index = new MetadataIndex(engine, numbers, cacheSettings.chunkSize)
  const cache = openNodeCache(cacheSettings, buffers, { index, request, connection })
  const committer = new FileCommitter(cache)
  const writer = new FileWriter(cache, committer)
  const reader = new FileReader(cache, (ino, at) => {
    onFirstUse({ ino, index: at })
  })
  const mapped = new MmapWrites(cache, writer)
  const passthrough = new Passthrough(cache, mapped)
  const places = { spaceDirectory, cloudName, durability }
  const parts = {
    ...cache,
    closeCache: cache.close,
    engine,
    numbers,
    reader,
    writer,
    committer,
    passthrough,
    locks,
    request,
    kernelKnows,
    ...places,
  }
  return { volume: new Volume(parts), engine, cache, committer, mapped }
}

/** Entry point of the mount's workers. */
export function openFileSystem(
  data: unknown,
  { hint }: { hint: (message: unknown) => boolean },
): Volume {
  return openVolumeThread(data as ThreadSettings, hint, { isMain: false }).volume
}
