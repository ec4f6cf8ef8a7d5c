/**
 * The receipt of a directory: how much of all files at and below it is durable, and how much is
 * pending. The sums are built while the tree is walked, with one page of it in memory at a time.
 * Only the first pending files are listed by name.
 */
import { volumeLimits } from '../volume/limits.ts'
import { pendingChunks } from '../metadata/chunk-rules.ts'
import { findInode } from '../metadata/inode-rules.ts'
import { pathOf } from '../metadata/pending-upload-rules.ts'
import { isMissing, type IsHad } from '../volume/paths/missing-files.ts'
import { receiptOf } from '../volume/paths/receipt.ts'
import type { VolumeFiles, WalkedFile } from '../volume/paths/volume-files.ts'
import type { VolumeNode } from '../volume/volume-node.ts'

export interface TreeReceipt {
  kind: 'directory'
  files: number
  sizeBytes: number
  /** All bytes of all files are in the cloud. */
  durable: boolean
  durableBytes: number
  pendingBytes: number
  pendingFiles: number
  /**
   * Pending files that are written but neither closed nor synced, or that wait for the coordinator.
   */
  uncommittedFiles: number
  /** Pending files with bytes that no online node has. */
  unavailableFiles: number
  /** Time of the oldest pending write; null if nothing is pending. */
  oldestPending: string | null
  firstPending: string[]
  /** All files satisfy the durability of their directories. */
  kept: boolean
  cloud: string
}

export async function treeReceipt(
  node: VolumeNode,
  files: VolumeFiles,
  isHad: IsHad,
  path: string,
): Promise<TreeReceipt> {
  const sum = new TreeSum(node, isHad)
  for await (const batch of files.walk(path)) for (const file of batch) await sum.add(file)
  return sum.receipt()
}

class TreeSum {
  readonly #node: VolumeNode
  readonly #isHad: IsHad
  readonly #total = { files: 0, sizeBytes: 0, pendingBytes: 0, pendingFiles: 0 }
  #uncommittedFiles = 0
  #unavailableFiles = 0
  #oldestMs = Infinity
  #isKept = true
  readonly #first: string[] = []

  constructor(node: VolumeNode, isHad: IsHad) {
    this.#node = node
    this.#isHad = isHad
  }

  async add({ ino, size }: WalkedFile): Promise<void> {
    const { engine, cache, committer } = this.#node.thread
    this.#total.files += 1
    this.#total.sizeBytes += size
    committer.commitAsked(ino)
    const { bytes, chunks } = engine.read(pendingChunks(ino))
    const isAhead = cache.shared.withInode(ino, () => cache.shared.findOpen(ino)?.ahead === true)
    if (chunks === 0 && !isAhead) return
    this.#total.pendingFiles += 1
    // Which of its bytes are new is known only after the commit.
    this.#total.pendingBytes += Math.min(isAhead ? size : bytes, size)
    if (isAhead) this.#uncommittedFiles += 1
    else if (await isMissing(engine, ino, this.#isHad)) this.#unavailableFiles += 1
    this.#note(ino)
  }

  #note(ino: number): void {
    const { engine, cache } = this.#node.thread
    const { cloudName, durability } = this.#node.threadSettings
    const row = engine.read(findInode(ino))
    if (row === undefined) return
    // Uploads of other nodes are not in the journal of this node.
    const sinceMs = cache.uploads.oldestMs(ino) ?? row.mtimeSec * 1000
    this.#oldestMs = Math.min(this.#oldestMs, sinceMs)
    this.#isKept &&= receiptOf({ engine, ...cache, cloudName, durability }, ino).kept
    if (this.#first.length >= volumeLimits.namedFiles) return
    this.#first.push(engine.read(pathOf(ino)) ?? `inode ${ino}`)
  }

  receipt(): TreeReceipt {
    const { files, sizeBytes, pendingBytes, pendingFiles } = this.#total
    return {
      kind: 'directory',
      files,
      sizeBytes,
      durable: pendingFiles === 0,
      durableBytes: sizeBytes - pendingBytes,
      pendingBytes,
      pendingFiles,
      uncommittedFiles: this.#uncommittedFiles,
      unavailableFiles: this.#unavailableFiles,
      oldestPending: pendingFiles === 0 ? null : new Date(this.#oldestMs).toISOString(),
      firstPending: this.#first,
      kept: this.#isKept,
      cloud: this.#node.threadSettings.cloudName,
    }
  }
}
