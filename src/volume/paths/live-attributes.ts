/**
 * Current attributes of an inode: the metadata combined with uncommitted writes. The kernel caches
 * them, so they must never be older than the request: a row that was read before a commit and is
 * examined after it is read again. While the kernel still has pages that the new attributes would
 * make wrong (volume/kernel/kernel-pages.ts), requests for attributes wait.
 */
import { NotStarted } from '../../base/suspended.ts'
import { laterOf } from '../../base/clock.ts'
import { ATTRIBUTES_SETTLED, type WaitCondition } from '../../cache/waiting/wait-condition.ts'
import type { CurrentRequest } from '../../base/current-request.ts'
import type { PassthroughWrites } from '../../cache/passthrough/passthrough-writes.ts'
import type { ChunkIndex } from '../../cache/state/chunk-index.ts'
import type { ChunkTable } from '../../cache/state/chunk-table.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { Attributes } from '../../filesystem/inode-file-system.ts'
import { S_IFMT, S_IFREG, findInode, type InodeRow } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'
import type { Rule } from '../../metadata/statement.ts'

export interface LiveAttributesParts {
  engine: MetadataEngine
  request: CurrentRequest
  shared: SharedState
  chunks: ChunkTable
  files: BackingFiles
  index: ChunkIndex
  passthroughWrites: PassthroughWrites
}

export class LiveAttributes {
  readonly #parts: LiveAttributesParts

  constructor(parts: LiveAttributesParts) {
    this.#parts = parts
  }

  /** Attributes of the inode that a rule returns. */
  read(rule: Rule<InodeRow>): Attributes {
    const { commits } = this.#parts.shared
    return this.#overlay(this.#parts.engine.read(rule), commits)
  }

  /** As `read`, for the kernel: suspends while pages of the file are to be dropped. */
  readSettled(rule: Rule<InodeRow>): Attributes {
    const attributes = this.read(rule)
    this.requireSettled(attributes.ino)
    return attributes
  }

  /** As `readSettled`, for many rows; a row that would have to wait gets no attributes. */
  readAll<R extends InodeRow>(rule: Rule<R[]>): { row: R; attributes: Attributes | undefined }[] {
    const { commits } = this.#parts.shared
    const rows = this.#parts.engine.read(rule)
    return rows.map((row) => {
      const attributes = this.#overlay(row, commits)
      return { row, attributes: this.#isUnsettled(row.ino) ? undefined : attributes }
    })
  }

  /** Call before an operation that returns attributes to the kernel changes anything. */
  requireSettled(ino: number): void {
    if (!this.#isUnsettled(ino) || this.#parts.request.take(ATTRIBUTES_SETTLED, ino)) return
    const condition: WaitCondition = { kind: 'attributes', ino }
    throw new NotStarted(condition)
  }

  /** False if no program has the file open: its pages are dropped when it is opened. */
  #isUnsettled(ino: number): boolean {
    const { shared } = this.#parts
    if (!shared.pageDrops.isAwaited(ino) || !shared.mayBeOpen(ino)) return false
    return shared.withInode(ino, () => (shared.findOpen(ino)?.kernelOpens ?? 0) > 0)
  }

  /** Blocks of a file; the backing file alone counts if it has all chunks. */
  #blocks(ino: number, committed: number): number {
    const { files, chunks, index } = this.#parts
    const here = files.stat(ino)?.blocks ?? 0
    if (here >= committed || chunks.count(ino) >= index.count(ino)) return here
    return committed
  }

  /** `commits`: the counter of commits from before the row was read. */
  #overlay(row: InodeRow, commits: number): Attributes {
    const { shared } = this.#parts
    if ((row.mode & S_IFMT) !== S_IFREG) return row
    // In this order: an inode that is not open any more was committed before it was closed.
    if (!shared.mayBeOpen(row.ino) && shared.commits === commits) return row
    return shared.withInode(row.ino, () => {
      const open = shared.findOpen(row.ino)
      if (open) this.#parts.passthroughWrites.measure(row.ino, open)
      if (open?.ahead !== true) return this.#parts.engine.read(findInode(row.ino)) ?? row
      const { mtime, ctime } = open
      const blocks = open.voidFrom === 0 ? 0 : row.blocks
      row.size = open.size
      row.blocks = this.#blocks(row.ino, blocks)
      row.mtimeSec = mtime.sec
      row.mtimeNsec = mtime.nsec
      const changed = laterOf(ctime, { sec: row.ctimeSec, nsec: row.ctimeNsec })
      row.ctimeSec = changed.sec
      row.ctimeNsec = changed.nsec
      return row
    })
  }
}
