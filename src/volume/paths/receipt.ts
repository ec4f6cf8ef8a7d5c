/**
 * Where a file's bytes are: what the cloud has, and what only this node has yet. The same receipt
 * is given by the API and, as JSON, by the extended attribute `user.cachefs.receipt` of any path.
 */
import { FsError } from '../../base/fs-error.ts'
import type { NodeCache } from '../../cache/state/node-cache.ts'
import { volumeLimits } from '../limits.ts'
import { countChunks, countPendingUploads, listHolders } from '../../metadata/chunk-rules.ts'
import { copiesOf, type Durability } from '../../metadata/durability.ts'
import { S_IFMT, S_IFREG, getInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import { DurabilityGate, holdersOf } from '../cluster/durability-gate.ts'

export const RECEIPT_XATTR = Buffer.from('user.cachefs.receipt')

export interface Receipt {
  ino: number
  size: number
  /** All of the content is in the cloud. */
  durable: boolean
  chunks: number
  durableChunks: number
  /** Chunks that are on this node's disk. */
  localChunks: number
  /** Written, and neither closed nor synced yet, or waiting for the coordinator. */
  uncommitted: boolean
  /** Where the bytes have to be when close returns, as the directory asks. */
  durability: Durability
  /** They are there. */
  kept: boolean
  /** Nodes that have what the cloud does not have yet; none: this one, or nothing is left. */
  holders: string[]
  /** Where durable chunks are. */
  cloud: string
}

export interface ReceiptParts {
  engine: MetadataEngine
  cache: NodeCache
  cloudName: string
  durability: Durability
}

/** The receipt of any inode: what is no regular file is durable with the metadata. */
export function receiptOf(parts: ReceiptParts, ino: number): Receipt {
  const { engine, cache, cloudName } = parts
  const row = engine.read(getInode(ino))
  const chunks = engine.read(countChunks(ino))
  const durableChunks = chunks - engine.read(countPendingUploads(ino))
  const uncommitted = cache.shared.withInode(ino, () => {
    return cache.shared.findOpen(ino)?.ahead === true
  })
  const durable = durableChunks === chunks && !uncommitted
  const durability = new DurabilityGate(parts).of(ino)
  const lists = engine.read(listHolders(ino, volumeLimits.receiptHolders)).map(holdersOf)
  const copies = copiesOf(durability)
  const hasCopies = copies > 0 && lists.every((holders) => holders.length > copies)
  return {
    ino,
    size: row.size,
    durable,
    chunks,
    durableChunks,
    localChunks: (row.mode & S_IFMT) === S_IFREG ? cache.database.countChunks(ino) : 0,
    uncommitted,
    durability,
    kept: !uncommitted && (durable || durability === 'local' || hasCopies),
    holders: [...new Set(lists.flat())].sort(),
    cloud: cloudName,
  }
}

export function receiptXattr(receipt: Receipt): Uint8Array {
  const text = JSON.stringify(receipt)
  if (text.length > 65_536) throw new FsError('ERANGE', 'the receipt is too long')
  return Buffer.from(text)
}
