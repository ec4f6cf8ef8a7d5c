/**
 * Which nodes have which files open for writing, in memory; nodes report it again when they
 * connect. Shared writable mappings on several nodes would not be coherent. Therefore a file can be
 * mapped shared and writable only on a node that was the only one with the file open for writing
 * when it was opened there.
 *
 * Invariant: that answer holds until the node has closed the file. A node that opens the file later
 * may write it, but cannot map it.
 */
import { FsError } from '../../base/fs-error.ts'
import { pause } from '../../base/async/retry.ts'
import { cacheLimits } from '../../cache/limits.ts'
import { coordinatorLimits } from '../limits.ts'

export class OpenWriters<Node extends object> {
  readonly #nodes = new Map<number, Set<Node>>()
  readonly #files = new Map<Node, Set<number>>()
  /** Callbacks of `alone` calls that wait, by inode. */
  readonly #waiting = new Map<number, Set<() => void>>()

  /** Returns whether no other node has the file open for writing. */
  add(ino: number, node: Node): boolean {
    const files = this.#files.get(node) ?? new Set()
    if (files.size >= cacheLimits.openInodes && !files.has(ino)) {
      throw new FsError('ENFILE', `a node has ${cacheLimits.openInodes} files open at most`)
    }
    this.#files.set(node, files.add(ino))
    this.#nodes.set(ino, (this.#nodes.get(ino) ?? new Set()).add(node))
    return this.#isAlone(ino)
  }

  /**
   * For a node that was added. Resolves within `writerCloseMs`: the others may have just closed it.
   */
  async alone(ino: number): Promise<boolean> {
    if (this.#isAlone(ino)) return true
    const left = Promise.withResolvers<void>()
    const waiting = this.#waiting.get(ino) ?? new Set()
    this.#waiting.set(ino, waiting.add(left.resolve))
    await Promise.race([left.promise, pause(coordinatorLimits.writerCloseMs)])
    waiting.delete(left.resolve)
    if (waiting.size === 0) this.#waiting.delete(ino)
    return this.#isAlone(ino)
  }

  remove(ino: number, node: Node): void {
    this.#files.get(node)?.delete(ino)
    const nodes = this.#nodes.get(ino)
    nodes?.delete(node)
    if (nodes?.size === 0) this.#nodes.delete(ino)
    if (!this.#isAlone(ino)) return
    for (const resolve of this.#waiting.get(ino) ?? []) resolve()
  }

  /** Replaces the files of a node on a new connection; messages on the last one may be lost. */
  resume(node: Node, inos: readonly number[]): void {
    this.drop(node)
    for (const ino of inos) this.add(ino, node)
  }

  /** Removes a node that has left. */
  drop(node: Node): void {
    for (const ino of this.#files.get(node) ?? []) this.remove(ino, node)
    this.#files.delete(node)
  }

  #isAlone(ino: number): boolean {
    return (this.#nodes.get(ino)?.size ?? 0) < 2
  }
}
