/**
 * Resolves the wait conditions of operations on a node that has a coordinator: write leases,
 * commits and changes of the metadata. For one inode, acquiring the lease, committing and returning
 * the lease run one at a time, so that a lease that is being returned is never taken for one that
 * this node has. Main thread.
 */
import { Suspended, type WaitResult } from '../../base/suspended.ts'
import { codeOf, describe } from '../../base/fs-error.ts'
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import type { PreparedCommit } from '../../cache/write/commit-steps.ts'
import type { WaitCondition } from '../../cache/waiting/wait-condition.ts'
import type { RemoteMetadata } from '../../cache/waiting/wait-resolver.ts'
import type { CommittedPart } from '../../metadata/chunk-rules.ts'
import { copiesOf } from '../../metadata/durability.ts'
import type { OperationName } from '../../metadata/operations.ts'
import { OPERATION_RESULT, operationSubject } from '../../metadata/replica-engine.ts'
import type { ChunkCopies } from './chunk-copies.ts'
import type { CoordinatorLink } from './coordinator-link.ts'
import type { MetadataReplica } from './metadata-replica.ts'
import type { VolumeThread } from '../volume-thread.ts'

export interface RemoteCommitsParts {
  thread: VolumeThread
  link: CoordinatorLink
  replica: MetadataReplica
  logger: Logger
  /** Undefined on a volume without peers. */
  copies: ChunkCopies | undefined
}

/** `patient`: a caller waits for the durability of the directory, not only for the commit. */
interface CommitOptions {
  patient?: boolean
  signal?: AbortSignal | undefined
}

export class RemoteCommits implements RemoteMetadata {
  readonly #thread: VolumeThread
  readonly #link: CoordinatorLink
  readonly #failures: RepeatedLog
  readonly #copies: ChunkCopies | undefined
  readonly #replica: MetadataReplica
  readonly #turns = new KeyedMutex<number>()
  /** Orders, per inode, what is reported to other nodes about files open for writing here. */
  readonly #listings = new KeyedMutex<number>()
  #closing: Promise<void> | undefined

  constructor({ thread, link, replica, logger, copies }: RemoteCommitsParts) {
    this.#thread = thread
    this.#link = link
    this.#replica = replica
    this.#failures = new RepeatedLog(logger)
    this.#copies = copies
  }

  async lease(ino: number, signal?: AbortSignal): Promise<void> {
    using _user = this.#use(ino)
    using _turn = await this.#turns.acquire(ino, signal ? { signal } : undefined)
    const { shared } = this.#thread.cache
    // A concurrent request acquired it while this one waited for the mutex.
    if (shared.withInode(ino, () => shared.findOpen(ino)?.leased === true)) return
    await this.#link.lease(ino, signal)
  }

  /**
   * Keeps an inode in use until it is disposed of, and for the rest of that turn of the event loop.
   * A program that opens a file has it open only after its wait condition is resolved, and another
   * node may remove the last name in between.
   */
  #use(ino: number): Disposable {
    const { names } = this.#thread.volume
    names.use(ino)
    return { [Symbol.dispose]: () => setImmediate(() => names.release(ino, { by: 'here' })) }
  }

  /** Announces to other nodes that programs here have the inode open for writing, or will. */
  async writing(ino: number): Promise<void> {
    using _user = this.#use(ino)
    using _turn = await this.#listings.acquire(ino)
    const { shared } = this.#thread.cache
    try {
      const mayMap = await this.#link.writing(ino)
      shared.withInode(ino, () => {
        Object.assign(shared.addOpen(ino), { listed: true, mayMap })
      })
    } catch (error) {
      // The coordinator may have registered it all the same. An earlier registration stays.
      if (!shared.withInode(ino, () => shared.findOpen(ino)?.listed)) this.#link.written([ino])
      throw error
    }
  }

  /** Withdraws the announcement if no program here has the inode open for writing any more. */
  async left(ino: number): Promise<void> {
    using _turn = await this.#listings.acquire(ino)
    this.#thread.committer.unlist(ino, () => this.#link.written([ino]))
  }

  async commit(ino: number, release: boolean, options: CommitOptions = {}): Promise<void> {
    const { signal } = options
    using _turn = await this.#turns.acquire(ino, signal ? { signal } : undefined)
    while (!(await this.#attempt(ino, release, options)));
    if (!release) return
    this.#link.giveBack([ino])
    // A file that was created here and never opened for writing.
    if (this.#thread.committer.isLeft(ino)) void this.left(ino)
  }

  /** False: an earlier attempt whose answer was lost was carried out after all; try again. */
  async #attempt(ino: number, release: boolean, options: CommitOptions): Promise<boolean> {
    const { committer, cache } = this.#thread
    const prepared = await this.#run(() => committer.prepare(ino, release))
    if (prepared === undefined) return true
    const chunks = await this.#place(ino, prepared.content.chunks, options)
    const content = { ...prepared.content, chunks }
    try {
      const args = [ino, content, cache.settings.chunkSize]
      // No signal: the caller may stop waiting, but the write is committed all the same.
      const done = await this.#link.perform('commitContent', args)
      committer.finish(ino, prepared, done.version)
      // This may be the answer to an earlier attempt, and others may have committed since.
      if (cache.index.exists(ino) && cache.index.file(ino).version !== done.version) {
        this.#replica.changeContent(ino)
      }
    } catch (error) {
      if (codeOf(error) !== 'ESTALE') throw error
      const base = cache.shared.withInode(ino, () => cache.shared.findOpen(ino)?.base)
      if (base !== undefined && base !== content.base) return false
      this.#replica.giveUp(ino)
      throw error
    }
    return true
  }

  /** Replicates chunks before other nodes see them, as far as the directory's durability asks. */
  async #place(
    ino: number,
    chunks: PreparedCommit['content']['chunks'],
    { patient = false, signal }: CommitOptions,
  ): Promise<CommittedPart[]> {
    const copies = copiesOf(this.#thread.volume.durability.of(ino))
    if (copies > 0 && this.#copies) {
      return await this.#copies.place(ino, chunks, { copies, patient, signal })
    }
    return chunks.map((chunk) => ({ ...chunk, holders: this.#link.peerId }))
  }

  /** Replicates committed chunks; false if too few peers accepted them. */
  async copy(ino: number, copies: number, options: CommitOptions = {}): Promise<boolean> {
    const { patient = false, signal } = options
    using _turn = await this.#turns.acquire(ino, signal ? { signal } : undefined)
    return (await this.#copies?.ensure(ino, { copies, patient, signal })) ?? false
  }

  /** Another node requests the write lease of the inode. */
  recalled(ino: number): void {
    this.commit(ino, true).catch(this.#report)
  }

  /** For commits that nobody waits for. ESTALE: the conflict was logged when it was kept. */
  readonly #report = (error: unknown): void => {
    if (codeOf(error) === 'ESTALE') return
    this.#failures.warn('commit', `a commit failed and is tried again: ${describe(error)}`)
  }

  /** Commits closed files that have uncommitted changes, and returns their leases. */
  async commitClosed(): Promise<void> {
    this.#closing ??= this.#commitClosed().finally(() => {
      this.#closing = undefined
    })
    await this.#closing
  }

  async #commitClosed(): Promise<void> {
    const { shared } = this.#thread.cache
    for (const ino of new Set([...shared.dirtyInodes(), ...shared.leasedInodes()])) {
      const isClosed = shared.withInode(ino, () => shared.findOpen(ino)?.opens === 0)
      if (isClosed) await this.commit(ino, true).catch(this.#report)
    }
    const listed = shared.listedInodes()
    for (const ino of listed) if (this.#thread.committer.isLeft(ino)) await this.left(ino)
  }

  async perform({ name, args, once }: WaitCondition & { kind: 'operation' }): Promise<WaitResult> {
    const subject = operationSubject(name, args)
    try {
      // No signal: if it were abandoned half-way, the result would be unknown.
      if (name !== 'sync') {
        const result = await this.#link.perform(name as OperationName, args, { once })
        return OPERATION_RESULT.of(subject, result)
      }
      await this.#link.sync()
      return OPERATION_RESULT.of(subject, undefined)
    } catch (error) {
      return OPERATION_RESULT.failed(subject, error)
    }
  }

  /** Runs an operation, and performs the operations it suspends for (such as reserving numbers). */
  async #run<T>(operation: () => T): Promise<T> {
    const results: WaitResult[] = []
    for (;;) {
      try {
        return this.#thread.volume.run(results, operation)
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        results.push(await this.perform(error.condition as WaitCondition & { kind: 'operation' }))
      }
    }
  }

  trusted(signal?: AbortSignal): Promise<void> {
    return this.#link.trusted(signal)
  }
}
