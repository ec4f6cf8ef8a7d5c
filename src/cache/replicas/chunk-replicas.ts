/**
 * Replicas: chunks of other nodes that this node stores until the cloud has them, for durability
 * `peers=N`. Each is a file `held/<chunk id>`, and a row in the node database that is written after
 * the file. Replicas count as used space and are never evicted. Main thread.
 *
 * Invariants: a replica is checked against its CRC-32 and the metadata when it arrives and whenever
 * it is read; an id has one content; all replicas together take at most their share of the
 * capacity. A file without row, and a row without its file, are removed at the next start.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { FsError, codeOf, describe } from '../../base/fs-error.ts'
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import type { Logger } from '../../base/log/logger.ts'
import { loadPlainFile } from '../../base/plain-file.ts'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { cacheLimits } from '../limits.ts'
import { DamagedFolder } from '../../tiers/nvme/damaged-folder.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { mayBeContent } from '../state/chunk-index.ts'
import type { Evictor } from '../space/evictor.ts'
import type { ChunkReplica } from './replica-table.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { SharedState } from '../state/shared-state.ts'
import type { Transactions } from '../state/node-database.ts'
import type { ReplicaTable } from './replica-table.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import type { ChunkPromotion } from '../read/chunk-promotion.ts'
import type { Space } from '../space/space.ts'

export interface ChunkReplicasParts {
  settings: CacheSettings
  shared: SharedState
  database: Transactions
  replicaTable: ReplicaTable
  index: ChunkIndex
  promotion: ChunkPromotion
  space: Space
}

export class ChunkReplicas {
  readonly #parts: ChunkReplicasParts
  readonly #evictor: Evictor
  readonly #logger: Logger
  readonly #directory: string
  readonly #turns = new KeyedMutex<number>()
  /** Ids of replicas that a reference has named: without that reference they are superseded. */
  readonly #named = new Set<number>()
  /** Bytes of replicas that are being stored, and have no row yet. */
  #arrivingBytes = 0

  private constructor(parts: ChunkReplicasParts, evictor: Evictor, logger: Logger) {
    this.#parts = parts
    this.#evictor = evictor
    this.#logger = logger
    this.#directory = join(parts.settings.directory, 'held')
  }

  /** Removes what an earlier process left incomplete. */
  static open(parts: ChunkReplicasParts, evictor: Evictor, logger: Logger): ChunkReplicas {
    const held = new ChunkReplicas(parts, evictor, logger)
    makePrivateFolder(held.#directory)
    held.#sweep()
    return held
  }

  totals(): { chunks: number; bytes: number } {
    return this.#parts.replicaTable.totals()
  }

  has(id: number): boolean {
    return this.#parts.replicaTable.find(id) !== undefined
  }

  /**
   * Stores a replica; resolves when it is complete. EINVAL: the bytes do not match the CRC-32 or
   * the reference in the metadata, or no node can have received that id. EEXIST: the id has other
   * bytes. ENOSPC: there is no room.
   */
  async hold(chunk: ChunkAddress, data: Buffer, crc: number): Promise<void> {
    const { ino, index, id } = chunk
    const { database, replicaTable, shared } = this.#parts
    const length = data.length
    if (crc32(data) !== crc) throw new FsError('EINVAL', `chunk ${id}: the CRC-32 is another`)
    if (!this.#mayBe({ ino, index, id, length, crc }) || !this.#parts.index.isChunkId(id)) {
      const what = `chunk ${id} at ${index} of inode ${ino}`
      throw new FsError('EINVAL', `${what}: it is known here with other bytes, or not at all`)
    }
    using _turn = await this.#turns.acquire(id)
    const known = replicaTable.find(id)
    if (known !== undefined) {
      const isSame = known.crc === crc && known.length === length
      if (!isSame) throw new FsError('EEXIST', `chunk ${id} is held here with other bytes`)
      if ((await this.#load(known)) !== undefined) return
      await this.#drop(known)
    }
    this.#arrivingBytes += length
    try {
      await this.#requireRoom(id, length)
      await this.#write(id, data)
    } finally {
      this.#arrivingBytes -= length
    }
    database.transaction(() => {
      replicaTable.add({ id, ino, index, length, crc, storedMs: Date.now() })
    })
    shared.occupy(length)
  }

  /** False: the chunk with that id has other bytes. */
  #mayBe({ ino, index, id, length, crc }: Omit<ChunkReplica, 'storedMs'>): boolean {
    const reference = this.#parts.index.find(ino, index)
    return reference?.id !== id || mayBeContent(reference, { length, crc })
  }

  /** Bytes of the replica; undefined if there is none. A damaged or forged replica is dropped. */
  async read({ ino, index, id }: ChunkAddress): Promise<Buffer | undefined> {
    const held = this.#parts.replicaTable.find(id)
    if (held?.ino !== ino || held.index !== index) return undefined
    const data = this.#mayBe(held) ? await this.#load(held) : undefined
    // Without a row, it was released in the meantime.
    if (data !== undefined || this.#parts.replicaTable.find(id) === undefined) return data
    this.#logger.error(`the copy of chunk ${id} that is held for a peer has other bytes: dropped`)
    await this.release(id)
    return undefined
  }

  /** Removes a replica that is not needed: superseded, or its file was deleted. */
  async release(id: number): Promise<void> {
    using _turn = await this.#turns.acquire(id)
    const held = this.#parts.replicaTable.find(id)
    if (held !== undefined) await this.#drop(held)
  }

  /**
   * Call when the cloud has the chunk: moves it into the cache if it is still the content of the
   * file.
   */
  async durable(id: number): Promise<void> {
    const held = this.#parts.replicaTable.find(id)
    if (held === undefined) return
    const data = await this.read(held)
    if (data === undefined) return
    if (this.#parts.space.hasRoom(held.length)) {
      this.#parts.promotion.promote(held.ino, held, data, Date.now())
    }
    await this.release(id)
  }

  /** Call when the content of a file changed or it was deleted: its replicas may be unneeded. */
  async changed(ino: number): Promise<void> {
    const { replicaTable, index } = this.#parts
    for (const held of replicaTable.of(ino)) {
      if (index.exists(ino)) await this.#settleOne(held, Date.now())
      else await this.release(held.id)
    }
  }

  /** Removes all replicas that are not needed according to the metadata. */
  async settle(nowMs = Date.now()): Promise<void> {
    const { replicaTable } = this.#parts
    for (let after = -1; ;) {
      const page = replicaTable.after(after, cacheLimits.replicaPage)
      for (const held of page) await this.#settleOne(held, nowMs)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.id
      // Lets other events of the main thread run.
      await new Promise(setImmediate)
    }
  }

  async #settleOne({ id, ino, index, storedMs }: ChunkReplica, nowMs: number): Promise<void> {
    const reference = this.#parts.index.find(ino, index)
    if (reference?.id === id) {
      this.#named.add(id)
      if (reference.durable) await this.durable(id)
      return
    }
    const isOver = this.#named.has(id) || nowMs - storedMs >= cacheLimits.replicaGraceMs
    if (isOver) await this.release(id)
  }

  async #requireRoom(id: number, length: number): Promise<void> {
    const { capacityBytes } = this.#parts.settings
    const share = Math.floor(capacityBytes * cacheLimits.heldShare)
    const isWithin = this.totals().bytes + this.#arrivingBytes <= share
    if (isWithin && (await this.#evictor.makeRoom(length))) return
    const why = isWithin ? 'the cache is full' : `copies for peers take ${share} bytes at most`
    throw new FsError('ENOSPC', `no room to hold chunk ${id} (${length} bytes): ${why}`)
  }

  async #write(id: number, data: Buffer): Promise<void> {
    const name = String(id)
    try {
      await this.#remove(`${name}.part`)
      await writeFile(this.#path(`${name}.part`), data, { flag: 'wx', mode: 0o600 })
      await rename(this.#path(`${name}.part`), this.#path(name))
    } catch (cause) {
      await this.#remove(`${name}.part`)
      throw new FsError(codeOf(cause), `chunk ${name} cannot be held: ${describe(cause)}`, {
        cause,
      })
    }
  }

  async #drop({ id, length }: ChunkReplica): Promise<void> {
    const { database, replicaTable, shared } = this.#parts
    database.transaction(() => {
      replicaTable.delete(id)
    })
    this.#named.delete(id)
    shared.occupy(-length)
    await this.#remove(String(id))
  }

  /** Undefined: the file is absent or damaged. */
  async #load({ id, length, crc }: ChunkReplica): Promise<Buffer | undefined> {
    try {
      const data = await loadPlainFile(this.#path(String(id)))
      return data.length === length && crc32(data) === crc ? data : undefined
    } catch (error) {
      const isGone = codeOf(error) === 'ENOENT' || !this.#isPlain(String(id))
      if (isGone) return undefined
      throw error
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await unlink(this.#path(name))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      if (this.#isPlain(name)) throw error
      new DamagedFolder(this.#parts.settings.directory).quarantine(this.#path(name))
    }
  }

  #isPlain(name: string, length?: number): boolean {
    const stat = lstatSync(this.#path(name), { throwIfNoEntry: false })
    return stat?.isFile() === true && (length ?? stat.size) === stat.size
  }

  #sweep(): void {
    const { database, replicaTable, shared } = this.#parts
    for (const name of readdirSync(this.#directory)) {
      const isKnown = /^\d{1,16}$/.test(name) && replicaTable.find(Number(name)) !== undefined
      if (!isKnown) rmSync(this.#path(name), { recursive: true })
    }
    for (let after = -1; ;) {
      const page = replicaTable.after(after, cacheLimits.replicaPage)
      const lost = page.filter(({ id, length }) => !this.#isPlain(String(id), length))
      database.transaction(() => {
        for (const { id } of lost) replicaTable.delete(id)
      })
      for (const { length } of lost) shared.occupy(-length)
      const last = page.at(-1)
      if (last === undefined) return
      after = last.id
    }
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }
}
