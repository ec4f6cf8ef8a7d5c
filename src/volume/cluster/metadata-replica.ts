/**
 * This node's copy of the metadata, kept current: applies the changes that the coordinator tells,
 * and makes everything on this node forget what it remembers of the state before them: the cache's
 * chunks, what threads remember, the kernel. Main thread.
 *
 * Invariant: when `apply` has resolved, whoever asks this node sees the state after the change.
 */
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { describe } from '../../base/fs-error.ts'
import { removePreImages, savePreImage } from '../../cache/write/pre-images.ts'
import { keepConflict } from '../../cache/write/conflict-files.ts'
import { CLEAN, DIRTY, PENDING, type LocalChunk } from '../../cache/state/node-database.ts'
import { settleSuperseded } from '../../cache/write/superseded-uploads.ts'
import { closeGaps, dropBytes } from '../../cache/passthrough/passthrough.ts'
import { volumeLimits } from '../limits.ts'
import { applyChanges, copyState, setCopyState, type Change } from '../../metadata/change.ts'
import type { CopyState } from '../../metadata/change.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import { findName } from '../../metadata/namespace-rules.ts'
import { TABLES } from '../../metadata/schema.ts'
import type { SqliteEngine } from '../../metadata/sqlite/sqlite-engine.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { LinkedNode } from './coordinator-link.ts'
import type { KernelPages } from '../kernel/kernel-pages.ts'
import type { VolumeThread } from '../volume-thread.ts'

export interface ReplicaParts {
  engine: SqliteEngine
  shared: SharedState
  pages: KernelPages
  /** Id of this node. */
  self: string
  logger: Logger
}

export class MetadataReplica implements LinkedNode {
  readonly #engine: SqliteEngine
  readonly #pages: KernelPages
  readonly #shared: SharedState
  readonly #self: string
  readonly #logger: Logger
  readonly #failures: RepeatedLog
  #thread: VolumeThread | undefined
  #onRecall: (ino: number) => void = () => undefined
  /** Orphans that the coordinator believes are open here. */
  readonly #held = new Set<number>()
  /** Commits of this node that came in before anything else of it ran. */
  #ownCommits: { ino: number; base: number }[] = []
  /** Told of chunks that became durable, and of inodes that are gone. */
  onEffects: ((effects: Change['effects']) => void) | undefined

  constructor({ engine, shared, pages, self, logger }: ReplicaParts) {
    this.#engine = engine
    this.#shared = shared
    this.#pages = pages
    this.#self = self
    this.#logger = logger
    this.#failures = new RepeatedLog(logger)
  }

  /** From here on changes reach the cache as well; what was missed is made good by recovery. */
  attach(thread: VolumeThread, onRecall: (ino: number) => void): void {
    this.#thread = thread
    this.#onRecall = onRecall
    this.#ownCommits = []
  }

  state(): CopyState {
    return this.#engine.read(copyState())
  }

  takeOver(path: string): void {
    this.#engine.takeOver(path, [...TABLES, 'replica'])
    const { store, seq } = this.state()
    this.#engine.transact(setCopyState({ store, seq }))
    // Nothing tells which files changed.
    this.#shared.pageDrops.expectAll()
    if (this.#thread) this.reconcileAll()
  }

  async apply(store: string, changes: readonly Change[]): Promise<void> {
    this.#noteOwnCommits(changes)
    const contents = changes.flatMap(({ origin, effects }) =>
      this.#thread && origin === this.#self ? [] : effects.contents,
    )
    for (const ino of contents) this.#pages.expect(ino)
    // Who reads meanwhile has the size and the chunks of one version.
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
   * What this node has committed is the base of what it wrote after that; also when the answer to
   * the commit got lost, or the process ended before it came. So it is noted before the copy has
   * it.
   */
  #noteOwnCommits(changes: readonly Change[]): void {
    const versions = new Map<number, number>()
    for (const { effects, origin } of changes) {
      for (const ino of effects.contents) {
        const before = versions.get(ino) ?? this.#engine.read(findInode(ino))?.version ?? 0
        versions.set(ino, before + 1)
        if (origin !== this.#self) continue
        const database = this.#thread?.cache.database
        database?.transaction(() => database.rebase(ino, before, before + 1))
        if (!database) this.#ownCommits.push({ ino, base: before })
        this.#shared.withInode(ino, () => {
          const open = this.#shared.findOpen(ino)
          if (open?.ahead === true && open.base === before) open.base = before + 1
        })
      }
    }
  }

  /** Where commits of an earlier process, whose answers it did not get, have brought a file. */
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

  /** Orphans that were closed since. */
  takeClosed(): number[] {
    const closed = [...this.#held].filter((ino) => !this.#isOpen(ino))
    for (const ino of closed) this.#held.delete(ino)
    return closed
  }

  /** A nameless file that is being made here: the coordinator knows. */
  hold(ino: number): void {
    this.#held.add(ino)
  }

  /** Compares all that the cache has with the metadata: nothing told what changed. */
  reconcileAll(): void {
    const { database, index } = this.#thread!.cache
    let after = 0
    for (;;) {
      const page = database.inodesAfter(after, volumeLimits.trashBatch)
      for (const ino of page) {
        if (index.exists(ino)) this.changeContent(ino)
        else this.#purge(ino)
      }
      const last = page.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  /** By programs, or by those that are about to open it. */
  #isOpen(ino: number): boolean {
    return this.#shared.withInode(ino, () => {
      const open = this.#shared.findOpen(ino)
      return open !== undefined && (open.opens > 0 || open.known)
    })
  }

  /** `isOwn`: a program of this node took its last name; others may just have found it. */
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

  /** A file has another content, by this node's own doing and not by its commit. */
  restored(ino: number): void {
    this.changeContent(ino)
  }

  /**
   * What was written here and is not committed has no place any more: it is kept for people, and
   * who writes the file is told (FileCommitter.requireKept).
   */
  giveUp(ino: number): void {
    this.#pages.expect(ino)
    this.#keepConflict(ino)
    this.#dropContent(ino)
  }

  #keepConflict(ino: number): void {
    const { cache, committer } = this.#thread!
    this.#shared.withInode(ino, () => {
      // A file that was removed takes along what was written to it, as everywhere.
      if (!cache.index.exists(ino)) return
      const name = this.#engine.read(findName(ino))?.name
      const text = name ? Buffer.from(name).toString().slice(0, 60) : 'unnamed'
      const kept = keepConflict(cache, ino, text)
      const where = kept === undefined ? 'no bytes of it' : `it is kept in ${kept}`
      this.#logger.error(`"${text}" was changed elsewhere before what was written here: ${where}`)
    })
    committer.discard(ino)
  }

  /** Another node has committed on the version that what is written here began from. */
  #isOvertaken(ino: number): boolean {
    return this.#shared.withInode(ino, () => {
      const open = this.#shared.findOpen(ino)
      return open?.dirty === true && open.base !== this.#engine.read(findInode(ino))?.version
    })
  }

  /** The committed content is another: what the cache and the kernel have of it may be void. */
  changeContent(ino: number): void {
    this.#pages.expect(ino)
    this.#contentChanged(ino)
  }

  /** As `changeContent`, after KernelPages.expect. */
  #contentChanged(ino: number): void {
    if (this.#isOvertaken(ino)) this.#keepConflict(ino)
    this.#dropContent(ino)
  }

  /** Drops what this node and its kernel have of other contents than the committed one. */
  #dropContent(ino: number): void {
    this.#reconcile(ino)
    this.#pages.caches?.forgetAttributes(ino)
    this.#pages.drop(ino)
  }

  /**
   * Of a directory that is elsewhere now: within a rename(2) between directories the kernel cannot
   * note that it is there (ESTALE). Not waited for, as with pages. Never rejects.
   */
  async #forgetEntry(parent: number, name: Uint8Array): Promise<void> {
    try {
      await this.#pages.caches?.invalidateEntry(parent, name)
    } catch (error) {
      this.#failures.warn('name', `a name in directory ${parent}: ${describe(error)}`)
    }
  }

  /** Drops what the cache has of other contents than the committed one. */
  #reconcile(ino: number): void {
    const { database, files } = this.#thread!.cache
    this.#shared.withInode(ino, () => {
      this.#shared.bumpChunks(ino)
      const dropped: string[] = []
      for (const row of database.chunksFrom(ino, 0, Number.MAX_SAFE_INTEGER)) {
        if (row.state !== DIRTY) this.#reconcileChunk(ino, row, dropped)
      }
      removePreImages(database, files, dropped)
      const isAhead = this.#shared.findOpen(ino)?.committing === true
      // Else recovery would take it for a commit that the metadata does not have.
      if (!isAhead && !database.hasUploads(ino)) {
        database.transaction(() => database.deleteJournaled(ino))
      }
      if (!isAhead) settleSuperseded(this.#thread!.cache, ino)
      this.#cutFile(ino)
      closeGaps(this.#thread!.cache, ino)
      this.#shared.bumpChunks(ino)
    })
  }

  /** The length of the backing file tells recovery how far the file was written. */
  #cutFile(ino: number): void {
    const { files } = this.#thread!.cache
    if (this.#shared.findOpen(ino)?.ahead === true) return
    const size = this.#engine.read(findInode(ino))?.size ?? 0
    if ((files.stat(ino)?.size ?? 0) > size) files.truncate(ino, size)
  }

  #reconcileChunk(ino: number, row: LocalChunk, dropped: string[]): void {
    const { database, files, index, settings } = this.#thread!.cache
    const reference = index.find(ino, row.index)
    const upload = row.state === PENDING ? database.upload(ino, row.index) : undefined
    // A commit that is under way: the metadata will have it.
    const isAhead = this.#shared.findOpen(ino)?.committing === true && upload?.id === row.id
    if (isAhead) return
    const start = row.index * settings.chunkSize
    if (reference?.id === row.id) {
      if (row.length <= reference.length) return
      // Its object is all that was committed, with a checksum that others know.
      if (upload) savePreImage(this.#thread!.cache, ino, upload)
      files.punch(ino, start + reference.length, settings.chunkSize - reference.length)
      this.#account(row, reference.length - row.length)
      database.transaction(() => database.putChunk(ino, { ...row, length: reference.length }))
      return
    }
    database.transaction(() => {
      if (upload) database.deleteUpload(upload.seq)
      database.deleteChunk(ino, row.index)
    })
    if (upload?.source != null) dropped.push(upload.source)
    dropBytes(this.#thread!.cache, ino, row.index)
    this.#account(row, -row.length)
  }

  #account(row: LocalChunk, bytes: number): void {
    this.#shared.add('usedBytes', bytes)
    if (row.state !== CLEAN) this.#shared.add('unsyncedBytes', bytes)
  }
}
