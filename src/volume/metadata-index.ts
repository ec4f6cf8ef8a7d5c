/**
 * Implements the cache's view of the metadata (cache/state/chunk-index.ts) on the metadata engine:
 * sizes and chunk references by inode. Names are not part of it.
 */
import { FsError } from '../base/fs-error.ts'
import type { ChunkIndex, CommittedChunk, Content } from '../cache/state/chunk-index.ts'
import {
  countChunks,
  findChunk,
  findNextChunk,
  type ChunkReference,
} from '../metadata/chunk-rules.ts'
import { findInode } from '../metadata/inode-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import { lastNumber } from '../metadata/volume-rules.ts'
import type { NumberSource } from './number-source.ts'

export class MetadataIndex implements ChunkIndex {
  readonly #engine: MetadataEngine
  readonly #ids: NumberSource
  readonly #chunkSize: number

  constructor(engine: MetadataEngine, ids: NumberSource, chunkSize: number) {
    this.#engine = engine
    this.#ids = ids
    this.#chunkSize = chunkSize
  }

  get isRemote(): boolean {
    return this.#engine.isReplica
  }

  file(ino: number): { size: number; blocks: number; version: number; nlink: number } {
    const row = this.#engine.read(findInode(ino))
    if (row === undefined) throw new FsError('ESTALE', `inode ${ino} does not exist any more`)
    return row
  }

  exists(ino: number): boolean {
    return this.#engine.read(findInode(ino)) !== undefined
  }

  isOrphan(ino: number): boolean {
    return (this.#engine.read(findInode(ino))?.nlink ?? 0) === 0
  }

  purgeAll(inos: readonly number[]): void {
    if (inos.length > 0) this.#engine.write('purgeOrphans', inos)
  }

  find(ino: number, index: number): CommittedChunk | undefined {
    return fromRow(this.#engine.read(findChunk(ino, index)))
  }

  findNext(ino: number, index: number): CommittedChunk | undefined {
    return fromRow(this.#engine.read(findNextChunk(ino, index)))
  }

  count(ino: number): number {
    return this.#engine.read(countChunks(ino))
  }

  commit(ino: number, content: Content): void {
    this.#engine.write('commitContent', ino, content, this.#chunkSize)
  }

  commitAll(commits: readonly { ino: number; content: Content }[]): void {
    const all = commits.map(({ ino, content }) => ({ ino, commit: content }))
    if (all.length > 0) this.#engine.write('commitContents', all, this.#chunkSize)
  }

  nextChunkId(): number {
    return this.#ids.next('chunk')
  }

  isChunkId(id: number): boolean {
    return id <= this.#engine.read(lastNumber('chunk'))
  }

  sync(): void {
    this.#engine.sync()
  }
}

function fromRow(row: ChunkReference | undefined): CommittedChunk | undefined {
  return row && { ...row, durable: row.durable === 1 }
}
