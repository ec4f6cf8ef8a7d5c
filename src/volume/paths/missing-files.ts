/**
 * Lists unavailable files by path: files with bytes whose only copies are on offline nodes or lost.
 * Every node can list them, since its copy of the metadata has the holders of all chunks.
 */
import { cacheLimits } from '../../cache/limits.ts'
import { volumeLimits } from '../limits.ts'
import type { ChunkReference } from '../../metadata/chunk-rules.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { findLastDurable } from '../../metadata/last-durable-rules.ts'
import { listPendingUploads, pathOf } from '../../metadata/pending-upload-rules.ts'
import { holdersOf } from '../cluster/durability-gate.ts'

export interface MissingFile {
  path: string
  size: number
  missingBytes: number
  /** Nodes that have these bytes according to the metadata. */
  holders: string[]
  /** Why some of these bytes are lost, if this node has a record of it. */
  reason: string | null
  /** Size of the last durable version; null: there is none. */
  durableSize: number | null
}

export interface MissingFiles {
  files: MissingFile[]
  /** There are more files than are listed. */
  more: boolean
}

/** Whether a chunk that is not durable can be read now. */
export type IsHad = (chunk: ChunkReference) => boolean
/** Why a chunk is lost; undefined: this node has no record that it is. */
export type LossOf = (chunk: ChunkReference) => string | undefined

interface Found {
  bytes: number
  holders: Set<string>
  reason: string | null
}

export async function missingFiles(
  engine: MetadataEngine,
  isHad: IsHad,
  lossOf: LossOf,
): Promise<MissingFiles> {
  const found = new Map<number, Found>()
  for (let [ino, index] = [0, -1]; found.size <= volumeLimits.missingFiles;) {
    const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
    for (const row of page) {
      if (isHad(row)) continue
      const file = found.get(row.ino) ?? { bytes: 0, holders: new Set(), reason: null }
      file.bytes += row.length
      file.reason ??= lossOf(row) ?? null
      for (const id of holdersOf(row)) file.holders.add(id)
      found.set(row.ino, file)
    }
    const last = page.at(-1)
    if (last === undefined) break
    ;({ ino, index } = last)
    // Let other work on this thread run.
    await new Promise(setImmediate)
  }
  const files: MissingFile[] = []
  for (const [ino, { bytes, holders, reason }] of [...found].slice(0, volumeLimits.missingFiles)) {
    const path = engine.read(pathOf(ino))
    const size = engine.read(findInode(ino))?.size
    if (path === undefined || size === undefined) continue
    const durableSize = engine.read(findLastDurable(ino))?.size ?? null
    const missing = { missingBytes: bytes, holders: [...holders].sort(), reason }
    files.push({ path, size, ...missing, durableSize })
    await new Promise(setImmediate)
  }
  return { files, more: found.size > volumeLimits.missingFiles }
}

/** Whether some of a file's bytes are unavailable now. */
export async function isMissing(
  engine: MetadataEngine,
  ino: number,
  isHad: IsHad,
): Promise<boolean> {
  return (await firstMissing(engine, ino, isHad)) !== undefined
}

/** The first chunk of a file that is unavailable now. */
export async function firstMissing(
  engine: MetadataEngine,
  ino: number,
  isHad: IsHad,
): Promise<ChunkReference | undefined> {
  for (let index = -1; ;) {
    const page = engine.read(listPendingUploads(ino, index, cacheLimits.replicaPage))
    const own = page.filter((row) => row.ino === ino)
    const missing = own.find((row) => !isHad(row))
    if (missing || own.length < cacheLimits.replicaPage) return missing
    index = own.at(-1)!.index
    await new Promise(setImmediate)
  }
}
