/**
 * The long-running actions of a node on files and trees: `wait`, `warm` and `evict`. A tree is
 * walked in pages, once to count it and once to act. Both walks run concurrently unless the action
 * has to check something first. Memory use is independent of the size of the tree. Progress is
 * counted in bytes as they move, and reported every second.
 *
 * Invariants: the reported progress never decreases; while the cloud is unreachable nothing is
 * evicted, unless forced.
 */
import { FsError, describe } from '../base/fs-error.ts'
import type { EvictOptions, CallOptions, ProgressLine } from '../http/node/node-status.ts'
import { settlesWithin } from '../http/server/progress-lines.ts'
import { cacheLimits } from '../cache/limits.ts'
import { coordinatorLimits } from '../coordinator/limits.ts'
import { nodeLimits } from './limits.ts'
import { volumeLimits } from '../volume/limits.ts'
import { pendingChunks } from '../metadata/chunk-rules.ts'
import { pathOf } from '../metadata/pending-upload-rules.ts'
import { firstMissing, type IsHad, type LossOf } from '../volume/paths/missing-files.ts'
import type { VolumeFiles, WalkedFile } from '../volume/paths/volume-files.ts'
import { VOLUME_KEY } from '../volume/folder/volume-identity.ts'
import type { VolumeNode } from '../volume/volume-node.ts'
import { formatSize } from '../options/size.ts'

/** Files in progress, by inode. */
type UnderWay = Map<number, { size: number; done: number }>

interface Work {
  /** Bytes of a file that the action has to process. */
  sizeOf: (file: WalkedFile) => number
  /**
   * Called before each page of the tree. If present, counting completes before the action begins.
   */
  check?: (signal: AbortSignal) => Promise<void>
  act: (file: WalkedFile, underWay: UnderWay, signal: AbortSignal) => Promise<number>
  /** Updates the progress of the files in progress before it is reported. */
  look?: (underWay: UnderWay) => void
}

/** Availability of chunks that the cloud does not have. */
export interface Presence {
  isHad: () => IsHad
  lossOf: LossOf
}

export class NodeActions {
  readonly #node: VolumeNode
  readonly #files: VolumeFiles
  readonly #presence: Presence

  constructor(node: VolumeNode, files: VolumeFiles, presence: Presence) {
    this.#node = node
    this.#files = files
    this.#presence = presence
  }

  wait(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine> {
    const { engine } = this.#node.thread
    return this.#run(paths, options, {
      sizeOf: ({ size }) => size,
      act: async ({ ino, size }, underWay, signal) => {
        underWay.set(ino, { size, done: 0 })
        await this.#durable(ino, signal)
        underWay.delete(ino)
        return size
      },
      look: (underWay) => {
        for (const [ino, file] of underWay) {
          const { bytes } = engine.read(pendingChunks(ino))
          // Nothing is pending before the commit either; such a file counts when the wait ends.
          if (bytes > 0) file.done = Math.max(file.done, file.size - bytes)
        }
      },
    })
  }

  warm(paths: readonly string[], options?: CallOptions): AsyncIterable<ProgressLine> {
    return this.#run(paths, options, {
      sizeOf: ({ size }) => size,
      act: async (file, underWay, signal) => {
        const state = { size: file.size, done: 0 }
        underWay.set(file.ino, state)
        await this.#fetch(file, state, signal)
        underWay.delete(file.ino)
        return file.size
      },
    })
  }

  evict(paths: readonly string[], options: EvictOptions = {}): AsyncIterable<ProgressLine> {
    const { evictor, thread } = this.#node
    const { chunks } = thread.cache
    let lookedMs = -Infinity
    const requireCloud = async (signal: AbortSignal): Promise<void> => {
      if (options.force === true) return
      if (performance.now() - lookedMs < nodeLimits.evictCloudLookMs) return
      await this.#requireCloud(paths, signal)
      lookedMs = performance.now()
    }
    return this.#run(paths, options, {
      sizeOf: ({ ino }) => chunks.sumFrom(ino, 0).used,
      check: requireCloud,
      act: ({ ino }) => Promise.resolve(evictor.evictInode(ino)),
    })
  }

  /**
   * Yields a line at once, after all paths were found, then one every second, and one at the end.
   */
  async *#run(
    paths: readonly string[],
    { signal }: CallOptions = {},
    work: Work,
  ): AsyncGenerator<ProgressLine> {
    for (const path of paths) await this.#files.inode(path)
    const line: ProgressLine = { doneBytes: 0, totalBytes: 0, doneFiles: 0, totalFiles: 0 }
    const underWay: UnderWay = new Map()
    const stop = new AbortController()
    const both = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])])
    yield { ...line }
    const counting = this.#count(paths, work, line, both)
    const act = (): Promise<void> => this.#act(paths, work, line, underWay, both)
    const all = Promise.all([counting, work.check ? counting.then(act) : act()])
    try {
      while (!(await settlesWithin(all, cacheLimits.conditionPollMs))) {
        work.look?.(underWay)
        yield lineOf(line, underWay)
      }
      await all
      yield { ...line, done: true }
    } finally {
      stop.abort()
    }
  }

  async #count(
    paths: readonly string[],
    { sizeOf }: Work,
    line: ProgressLine,
    signal: AbortSignal,
  ): Promise<void> {
    for (const path of paths) {
      for await (const batch of this.#files.walk(path, { signal })) {
        line.totalFiles += batch.length
        for (const file of batch) line.totalBytes += sizeOf(file)
      }
    }
    line.counted = true
  }

  async #act(
    paths: readonly string[],
    { check, act }: Work,
    line: ProgressLine,
    underWay: UnderWay,
    signal: AbortSignal,
  ): Promise<void> {
    for (const path of paths) {
      for await (const batch of this.#files.walk(path, { signal })) {
        await check?.(signal)
        const each = batch.map(async (file) => {
          line.doneBytes += await act(file, underWay, signal)
          line.doneFiles += 1
        })
        await Promise.all(each)
      }
    }
  }

  async #fetch(
    { ino, size }: WalkedFile,
    state: { done: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { fetcher, thread } = this.#node
    const { chunkSize } = thread.cache.settings
    const count = Math.ceil(size / chunkSize)
    for (let from = 0; from < count; from += volumeLimits.readaheadChunks) {
      const window = Math.min(volumeLimits.readaheadChunks, count - from)
      const indexes = Array.from({ length: window }, (_, at) => from + at)
      const each = indexes.map(async (index) => {
        await fetcher.fetch(ino, index, index, signal)
        state.done += Math.min(chunkSize, size - index * chunkSize)
      })
      await Promise.all(each)
    }
  }

  /**
   * Waits until a file is durable. EIO if a part of it is lost, or its only copies stay offline.
   */
  async #durable(ino: number, signal: AbortSignal): Promise<void> {
    const { engine } = this.#node.thread
    const lost = new AbortController()
    let sinceMs = Infinity
    const look = async (): Promise<void> => {
      const missing = await firstMissing(engine, ino, this.#presence.isHad())
      sinceMs = missing ? Math.min(sinceMs, performance.now()) : Infinity
      const loss = missing && this.#presence.lossOf(missing)
      if (loss === undefined && performance.now() - sinceMs < coordinatorLimits.peerSilentMs) return
      const path = engine.read(pathOf(ino)) ?? `inode ${ino}`
      const what = loss
        ? `chunk ${missing.index} is lost (${loss}): `
        : 'some of its bytes are only on nodes that are away: start them again, or '
      const text = `${path} cannot become durable: ${what}see \`cachefs missing\``
      lost.abort(new FsError('EIO', `${text} and \`cachefs restore\``, { path }))
    }
    const looks = setInterval(() => void look().catch(() => undefined), nodeLimits.lostWaitLookMs)
    try {
      await this.#node.durable(ino, AbortSignal.any([lost.signal, signal]))
    } finally {
      clearInterval(looks)
    }
  }

  /** EAGAIN if the cloud is unreachable and eviction would make files unreadable. */
  async #requireCloud(paths: readonly string[], signal: AbortSignal): Promise<void> {
    const reason = await this.#cloudFailure(signal)
    if (reason === undefined) return
    const stranded = await this.#stranded(paths, signal)
    if (stranded.files === 0) return
    const { engine } = this.#node.thread
    const names = stranded.first.map((ino) => engine.read(pathOf(ino)) ?? `inode ${ino}`)
    const more = stranded.files - names.length
    const list = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    throw new FsError(
      'EAGAIN',
      `${this.#node.cloud.name} cannot be reached (${reason}), and evicting would leave ` +
        `${stranded.files} files (${formatSize(stranded.bytes)}) unreadable until it can: ` +
        `${list}. ` +
        'Try again later, or evict them all the same with --force',
    )
  }

  /** The reason why the cloud cannot be read now; undefined if it can. */
  async #cloudFailure(signal: AbortSignal): Promise<string | undefined> {
    const late = AbortSignal.timeout(nodeLimits.evictCloudMs)
    const { cloud } = this.#node
    const answer = cloud.exists(VOLUME_KEY, { signal: AbortSignal.any([late, signal]) })
    // Calls on a network folder may block regardless of the signal.
    const isSettled = await settlesWithin(answer, nodeLimits.evictCloudMs)
    signal.throwIfAborted()
    if (!isSettled) {
      answer.catch(() => undefined)
      return `no answer for ${nodeLimits.evictCloudMs / 1000} s`
    }
    try {
      return (await answer) ? undefined : `${VOLUME_KEY} is not there`
    } catch (error) {
      return describe(error)
    }
  }

  /** Counts the files that eviction would take bytes from; only the first ones are listed. */
  async #stranded(
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<{ files: number; bytes: number; first: number[] }> {
    const { chunks } = this.#node.thread.cache
    const found = { files: 0, bytes: 0, first: [] as number[] }
    for (const path of paths) {
      for await (const batch of this.#files.walk(path, { signal })) {
        for (const { ino } of batch) {
          const { used, unsynced } = chunks.sumFrom(ino, 0)
          if (used - unsynced <= 0) continue
          found.files += 1
          found.bytes += used - unsynced
          if (found.first.length < volumeLimits.namedFiles) found.first.push(ino)
        }
      }
    }
    return found
  }
}

/** Bytes of finished files, plus the finished bytes of the files in progress. */
function lineOf(line: ProgressLine, underWay: UnderWay): ProgressLine {
  const more = underWay.values().reduce((sum, { done }) => sum + done, 0)
  return { ...line, doneBytes: line.doneBytes + more }
}
