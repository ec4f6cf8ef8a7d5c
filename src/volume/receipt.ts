/**
 * Where a file's bytes are: what the cloud has, and what only this node has yet. The same receipt
 * is given by the API and, as JSON, by the extended attribute `user.cachefs.receipt` of any path.
 */
import { FsError } from '../base/fs-error.ts'
import type { NodeCache } from '../cache/node-cache.ts'
import { countChunks, countUndurable } from '../metadata/chunk-rules.ts'
import { S_IFMT, S_IFREG, getInode } from '../metadata/inode-rules.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'

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
  /** Written and neither closed nor synced yet. */
  uncommitted: boolean
  /** Where durable chunks are. */
  cloud: string
}

export interface ReceiptParts {
  engine: MetadataEngine
  cache: NodeCache
  cloudName: string
}

/** The receipt of any inode: what is no regular file is durable with the metadata. */
export function receiptOf({ engine, cache, cloudName }: ReceiptParts, ino: number): Receipt {
  const row = engine.read(getInode(ino))
  const chunks = engine.read(countChunks(ino))
  const durableChunks = chunks - engine.read(countUndurable(ino))
  const uncommitted = cache.shared.withInode(ino, () => {
    return cache.shared.findOpen(ino)?.ahead === true
  })
  return {
    ino,
    size: row.size,
    durable: durableChunks === chunks && !uncommitted,
    chunks,
    durableChunks,
    localChunks: (row.mode & S_IFMT) === S_IFREG ? cache.database.countChunks(ino) : 0,
    uncommitted,
    cloud: cloudName,
  }
}

export function receiptXattr(receipt: Receipt): Uint8Array {
  const text = JSON.stringify(receipt)
  if (text.length > 65_536) throw new FsError('ERANGE', 'the receipt is too long')
  return Buffer.from(text)
}
