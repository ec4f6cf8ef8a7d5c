/**
 * This node's copy of the metadata: applies the changes that the coordinator sends, and invalidates
 * what the chunk cache, the threads and the kernel have of the state before them. Main thread.
 *
 * Invariant: when `apply` has resolved, every operation on this node sees the state after the
 * change.
 */
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { describe } from '../../base/fs-error.ts'
import { keepConflict } from '../../cache/write/conflict-files.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from '../../cache/state/chunk-table.ts'
import { volumeLimits } from '../limits.ts'
import { applyChanges, copyState, type Change } from '../../metadata/change.ts'
import type { CopyHistory } from '../../metadata/change.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import { findName } from '../../metadata/namespace-rules.ts'
import { lastTerm } from '../../metadata/term-rules.ts'
import { TABLES } from '../../metadata/schema.ts'
import type { SqliteEngine } from '../../metadata/sqlite/sqlite-engine.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { LinkedNode } from './coordinator-link.ts'
import type { NamesBefore } from '../folder/names-before.ts'
import type { KernelPages } from '../kernel/kernel-pages.ts'
import type { VolumeThread } from '../volume-thread.ts'

export interface ReplicaParts {
  engine: SqliteEngine
  /** Receives the names of this node if the coordinator has an older state of them. */
  names: NamesBefore
  shared: SharedState
  pages: KernelPages
  /** Id of this node. */
  self: string
  logger: Logger
}

export class MetadataReplica implements LinkedNode {
  readonly #engine: SqliteEngine
  readonly #names: NamesBefore
  readonly #pages: KernelPages
  readonly #shared: SharedState
  readonly #self: string
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  #thread: VolumeThread | undefined
  #onRecall: (ino: number) => void = () => undefined
  /** Orphans that this node has reported to the coordinator as open here. */
  readonly #held = new Set<number>()
  /** Commits of this node that arrived before `attach`. */
  #ownCommits: { ino: number; base: number }[] = []
  /** Called for each change, with the chunks that became durable and the inodes that are gone. */
  onEffects: ((effects: Change['effects']) => void) | undefined

  constructor({ engine, names, shared, pages, self, logger }: ReplicaParts) {
    this.#engine = engine
    this.#names = names
    this.#shared = shared
    this.#pages = pages
    this.#self = self
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
  }

  /** From here on changes are applied to the cache too; recovery reconciles the earlier ones. */
  attach(thread: VolumeThread, onRecall: (ino: number) => void): void {
    this.#thread = thread
    this.#onRecall = onRecall
    this.#ownCommits = []
  }

  state(): CopyHistory {
    const term = this.#engine.read(lastTerm())?.id ?? ''
    return { ...this.#engine.read(copyState()), term }
  }

  get isInUse(): boolean {
    return this.#thread !== undefined
  }

  async takeOver(path: string, isAhead: boolean): Promise<void> {
    if (isAhead) await this.#names.keep(this.#engine)
    this.#engine.takeOver(path, [...TABLES, 'replica'])
    // A whole copy does not show which files changed.
    this.#shared.pageDrops.expectAll()
    if (this.#thread) this.reconcileAll()
  }

  async apply(store: string, changes: readonly Change[]): Promise<void> {
    this.#noteOwnCommits(changes)
    const contents = changes.flatMap(({ origin, effects }) =>
      this.#thread && origin === this.#self ? [] : effects.contents,
    )
    for (const ino of contents) this.#pages.expect(ino)
    // A concurrent reader must not combine the size of one version with the chunks of another.
    this.#shared.withAllInodes(contents, () => {
      this.#engine.transact(applyChanges(store, changes))
      for (const ino of contents) this.#shared.bumpChunks(ino)
    })
    for (const change of changes) this.#applyEffects(change)
    this.#shared.announceCommit()
    await Promise.resolve()
  }

  #applyEffects({ effects, origin }: Change): void {
    for (const ino of effects.orphaned) this.#orphan(ino, origin === this.#self)
    if (!this.#thread) {
      for (const ino of effects.contents) this.#pages.drop(ino)
      return
    }
    for (const ino of effects.purged) this.#purge(ino)
    if (origin !== this.#self) {
      for (const ino of effects.contents) this.#contentChanged(ino)
      for (const ino of effects.attributes) this.#pages.caches?.forgetAttributes(ino)
      for (const [parent, name] of effects.entries) void this.#forgetEntry(parent, name)
    }
    this.onEffects?.(effects)
  }

  /**
   * A commit of this node is the base of what this node writes after it, even if its answer was
   * lost or the process ended before the answer came. Therefore the new base is recorded before the
   * commit is applied to the copy.
   */
  #noteOwnCommits(changes: readonly Change[]): void {
    const versions = new Map<number, number>()
    for (const { effects, origin } of changes) {
      for (const ino of effects.contents) {
        const before = versions.get(ino) ?? this.#engine.read(findInode(ino))?.version ?? 0
        versions.set(ino, before + 1)
        if (origin !== this.#self) continue
        const cache = this.#thread?.cache
        cache?.database.transaction(() => cache.uncommitted.rebase(ino, before, before + 1))
        if (!cache) this.#ownCommits.push({ ino, base: before })
        this.#shared.withInode(ino, () => {
          const open = this.#shared.findOpen(ino)
          if (open?.ahead === true && open.base === before) open.base = before + 1
        })
      }
    }
  }

  /** Version of a file after the commits of an earlier process that never got their answers. */
  baseOf(ino: number, base: number): number {
    let version = base
    for (const own of this.#ownCommits) if (own.ino === ino && own.base === version) version += 1
    return version
  }

  heldOf(changes: readonly Change[]): number[] {
    const found = changes
      .flatMap(({ effects }) => effects.orphaned)
      .filter((ino) => this.#isOpen(ino))
    for (const ino of found) this.#held.add(ino)
    return found
  }

  trust(untilMs: number): void {
    this.#shared.validUntilMs = untilMs
  }

  leased(ino: number, mayMap?: boolean): void {
    this.#shared.withInode(ino, () => {
      const open = this.#shared.addOpen(ino)
      open.leased = true
      if (mayMap !== undefined) Object.assign(open, { listed: true, mayMap })
    })
  }

  recalled(ino: number): void {
    this.#onRecall(ino)
  }

  leases(): number[] {
    return this.#shared.leasedInodes()
  }

  writing(): number[] {
    return this.#shared.listedInodes()
  }

  held(): number[] {
    return [...this.#held]
  }

  /** Returns the orphans that were closed since the last call. */
  takeClosed(): number[] {
    const closed = [...this.#held].filter((ino) => !this.#isOpen(ino))
    for (const ino of closed) this.#held.delete(ino)
    return closed
  }

  /** Registers an orphan that is being created here; the coordinator has it already. */
  hold(ino: number): void {
    this.#held.add(ino)
  }

  /** Compares the whole cache with the metadata, where it is not known which files changed. */
  reconcileAll(): void {
    const { chunks, index } = this.#thread!.cache
    let after = 0
    for (;;) {
      const page = chunks.inodesAfter(after, volumeLimits.trashBatch)
      for (const ino of page) {
        if (index.exists(ino)) this.changeContent(ino)
        else this.#purge(ino)
      }
      const last = page.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  /** Whether programs have it open, or the kernel has a reference and may open it. */
  #isOpen(ino: number): boolean {
    return this.#shared.withInode(ino, () => {
      const open = this.#shared.findOpen(ino)
      return open !== undefined && (open.opens > 0 || open.known)
    })
  }

  /**
   * `isOwn`: this node removed the last name. Otherwise the kernel here may just have looked it up.
   */
  #orphan(ino: number, isOwn: boolean): void {
    const committer = this.#thread?.committer
    const asks = isOwn && committer !== undefined
    this.#shared.withInode(ino, () => {
      const open = this.#shared.findOpen(ino)
      if (asks) committer.keepOrphan(ino)
      else if (open) open.unlinked = true
    })
    if (asks && this.#pages.caches?.knowsInode(ino) !== true) committer.forget(ino)
  }

  #purge(ino: number): void {
    this.#shared.withInode(ino, () => {
      this.#thread!.committer.forgetLocked(ino)
      const open = this.#shared.findOpen(ino)
      if (open) open.known = false
      if (open?.opens === 0) this.#shared.removeOpen(ino)
    })
  }

  /** A change of content that this node made without a commit, as `cachefs restore` does. */
  restored(ino: number): void {
    this.changeContent(ino)
  }

  /**
   * Moves uncommitted writes of a file to `conflicts/` after a commit was refused; the writer gets
   * an error (FileCommitter.requireKept).
   */
  giveUp(ino: number): void {
    this.#pages.expect(ino)
    this.#keepConflict(ino)
    this.#dropContent(ino)
  }

  #keepConflict(ino: number): void {
    const { cache, committer } = this.#thread!
    this.#shared.withInode(ino, () => {
      // Uncommitted writes to a removed file are dropped with it, as on any file system.
      if (!cache.index.exists(ino)) return
      const name = this.#engine.read(findName(ino))?.name
      const text = name ? Buffer.from(name).toString().slice(0, 60) : 'unnamed'
      const kept = keepConflict(cache, ino, text)
      const where = kept === undefined ? 'no bytes of it' : `it is kept in ${kept}`
      this.#logger.error(`"${text}" was changed elsewhere before what was written here: ${where}`)
    })
    committer.discard(ino)
  }

  /** Whether another node has committed since the version that the writes here are based on. */
  #isOvertaken(ino: number): boolean {
    return this.#shared.withInode(ino, () => {
      const open = this.#shared.findOpen(ino)
      return open?.dirty === true && open.base !== this.#engine.read(findInode(ino))?.version
    })
  }

  /** The committed content changed: drops what the cache and the kernel have of other contents. */
  changeContent(ino: number): void {
    this.#pages.expect(ino)
    this.#contentChanged(ino)
  }

  /** As `changeContent`, after KernelPages.expect. */
  #contentChanged(ino: number): void {
    if (this.#isOvertaken(ino)) this.#keepConflict(ino)
    this.#dropContent(ino)
  }

  /** Drops what this node and its kernel have of contents other than the committed one. */
  #dropContent(ino: number): void {
    this.#reconcile(ino)
    this.#pages.caches?.forgetAttributes(ino)
    this.#pages.drop(ino)
  }

  /**
   * Invalidates a name. Needed for a directory that was moved: in a rename(2) between directories
   * the kernel cannot update its own entry of it (ESTALE). Not awaited, as for pages. Never
   * rejects.
   */
  async #forgetEntry(parent: number, name: Uint8Array): Promise<void> {
    try {
      await this.#pages.caches?.invalidateEntry(parent, name)
    } catch (error) {
      this.#failures.warn('name', `a name in directory ${parent}: ${describe(error)}`)
    }
  }

  /** Drops chunks in the cache of contents other than the committed one. */
  #reconcile(ino: number): void {
    const { database, chunks, uploads, uncommitted, preImages } = this.#thread!.cache
    this.#shared.withInode(ino, () => {
      this.#shared.bumpChunks(ino)
      const dropped: string[] = []
      for (const row of chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)) {
        if (row.state !== DIRTY) this.#reconcileChunk(ino, row, dropped)
      }
      preImages.removeUnused(dropped)
      const isAhead = this.#shared.findOpen(ino)?.committing === true
      // Otherwise recovery would take these rows for a commit that the metadata lacks.
      if (!isAhead && !uploads.has(ino)) {
        database.transaction(() => uncommitted.deleteJournaled(ino))
      }
      if (!isAhead) this.#thread!.cache.superseded.settle(ino)
      this.#cutFile(ino)
      this.#thread!.cache.voidBytes.closeGaps(ino)
      this.#shared.bumpChunks(ino)
    })
  }

  /** Recovery derives from the length of the backing file how far the file was written. */
  #cutFile(ino: number): void {
    const { files } = this.#thread!.cache
    if (this.#shared.findOpen(ino)?.ahead === true) return
    const size = this.#engine.read(findInode(ino))?.size ?? 0
    if ((files.stat(ino)?.size ?? 0) > size) files.truncate(ino, size)
  }

  #reconcileChunk(ino: number, row: LocalChunk, dropped: string[]): void {
    const { database, uploads, chunks, files, index, settings } = this.#thread!.cache
    const reference = index.find(ino, row.index)
    const upload = row.state === PENDING ? uploads.find(ino, row.index) : undefined
    // A commit is in progress, and the metadata will refer to this chunk.
    const isAhead = this.#shared.findOpen(ino)?.committing === true && upload?.id === row.id
    if (isAhead) return
    const start = row.index * settings.chunkSize
    if (reference?.id === row.id) {
      if (row.length <= reference.length) return
      // Its object has all the bytes that were committed, and other nodes have its checksum.
      if (upload) this.#thread!.cache.preImages.save(ino, upload)
      const crc = this.#thread!.cache.checks.checksumOfPart(ino, row, reference.length)
      if (!chunks.find(ino, row.index)) return
      files.punch(ino, start + reference.length, settings.chunkSize - reference.length)
      this.#account(row, reference.length - row.length)
      database.transaction(() => {
        chunks.put(ino, { ...row, length: reference.length })
        if (crc !== undefined) chunks.setCrc(ino, row.index, crc)
      })
      return
    }
    database.transaction(() => {
      if (upload) uploads.delete(upload.seq)
      chunks.delete(ino, row.index)
    })
    if (upload?.source != null) dropped.push(upload.source)
    this.#thread!.cache.voidBytes.drop(ino, row.index)
    this.#account(row, -row.length)
  }

  #account(row: LocalChunk, bytes: number): void {
    this.#shared.add('usedBytes', bytes)
    if (row.state !== CLEAN) this.#shared.add('unsyncedBytes', bytes)
  }
}
