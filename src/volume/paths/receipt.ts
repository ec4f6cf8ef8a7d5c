/**
 * Receipts: where a file's bytes are, which chunks are durable, and which only nodes have. The API
 * returns a receipt, and so does, as JSON, the extended attribute `user.cachefs.receipt` of a file.
 */
import { FsError } from '../../base/fs-error.ts'
import type { ChunkTable } from '../../cache/state/chunk-table.ts'
import { volumeLimits } from '../limits.ts'
import { countChunks, countPendingUploads, listHolders } from '../../metadata/chunk-rules.ts'
import { copiesOf, type Durability } from '../../metadata/durability.ts'
import { S_IFMT, S_IFREG, getInode } from '../../metadata/inode-rules.ts'
import { DurabilityGate, holdersOf, type DurabilityGateParts } from '../cluster/durability-gate.ts'

export const RECEIPT_XATTR = Buffer.from('user.cachefs.receipt')

export interface Receipt {
  ino: number
  size: number
  /** Whether all of the content is in the cloud. */
  durable: boolean
  chunks: number
  durableChunks: number
  /** Chunks on this node's disk. */
  localChunks: number
  /** Written but not committed: not closed or synced yet, or waiting for the coordinator. */
  uncommitted: boolean
  /** Durability that the directory asks for when close returns. */
  durability: Durability
  /** Whether the bytes have that durability. */
  kept: boolean
  /** Nodes that have the chunks that are not durable; empty: only this node, or there are none. */
  holders: string[]
  /** Location of durable chunks. */
  cloud: string
}

export interface ReceiptParts extends DurabilityGateParts {
  chunks: ChunkTable
  cloudName: string
}

/** The receipt of any inode: one that is not a regular file is as durable as the metadata. */
export function receiptOf(parts: ReceiptParts, ino: number): Receipt {
  const { engine, shared, cloudName } = parts
  const row = engine.read(getInode(ino))
  const chunks = engine.read(countChunks(ino))
  const durableChunks = chunks - engine.read(countPendingUploads(ino))
  const uncommitted = shared.withInode(ino, () => {
    return shared.findOpen(ino)?.ahead === true
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
    localChunks: (row.mode & S_IFMT) === S_IFREG ? parts.chunks.count(ino) : 0,
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
