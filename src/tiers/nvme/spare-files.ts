/**
 * Empty files made in advance, `spare/<number>`, off the path of requests: an inode gets its
 * backing file by a rename. Making one has the file system look for a free inode, which can take
 * long (ext4 without a journal walks past those that were freed lately). The spares from `head` up
 * to `tail` are there; both numbers are in memory that all threads share. Any thread takes at the
 * head, a single one adds at the tail.
 *
 * Invariants: no number is given twice; a spare is empty, has one name, and was nothing else before
 * (who has a removed file open, or mapped, would have the next one); whatever goes wrong with
 * spares, there are fewer of them, and no request fails of it.
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
} from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { limits } from '../../limits.ts'
import { SHARDS, shardName } from './backing-files.ts'

const HEAD = 0
const TAIL = 1
const MODE = 0o600
const S_IFREG = 0o100000
/** Fits into a double, exactly. */
const NUMBER = /^(0|[1-9]\d{0,14})$/

export class SpareFiles {
  readonly #directory: string
  readonly #spares: string
  readonly #numbers: BigInt64Array
  #seenHead = 0n

  /** `directory`: the NVMe directory; `numbers`: two, shared by all threads, 0 at first. */
  constructor(directory: string, numbers: BigInt64Array) {
    this.#directory = directory
    this.#spares = join(directory, 'spare')
    this.#numbers = numbers
  }

  /**
   * Moves a spare to `path` and opens it for reading and writing; -1: there is none. The caller has
   * seen that nothing is at `path`, and keeps others from it.
   */
  take(path: string): number {
    const number = this.#next()
    if (number === undefined) return -1
    const spare = this.#path(number)
    let fd = -1
    try {
      // In this order: what fails has changed nothing at `path`.
      fd = openSync(spare, 'r+')
      renameSync(spare, path)
      return fd
    } catch {
      if (fd >= 0) closeSync(fd)
      remove(spare)
      return -1
    }
  }

  /** Takes over what an earlier process has left; once, before `fill`, by the same thread. */
  takeOver(): void {
    for (let shard = 0; shard < SHARDS; shard++) remove(this.#fresh(shard))
    try {
      const names = readdirSync(this.#spares)
      const numbers = names.filter((name) => this.#isSpare(name)).map(Number)
      const first = numbers.reduce((least, number) => Math.min(least, number), Infinity)
      const kept = numbers.filter((number) => number < first + limits.spareFiles)
      const isKept = new Set(kept.map(String))
      for (const name of names) if (!isKept.has(name)) remove(join(this.#spares, name))
      if (kept.length === 0) return
      Atomics.store(this.#numbers, HEAD, BigInt(first))
      Atomics.store(this.#numbers, TAIL, BigInt(Math.max(...kept)) + 1n)
    } catch {
      // Nothing is taken over: there is no such folder, say.
    }
  }

  /** Makes some, or gives some back where inodes run out. False: enough, or no more can be made. */
  fill(): boolean {
    try {
      this.#seenHead = Atomics.load(this.#numbers, HEAD)
      const there = Number(Atomics.load(this.#numbers, TAIL) - this.#seenHead)
      const missing = this.#wanted(there) - there
      const step = Math.min(Math.abs(missing), limits.spareBatch)
      for (let done = 0; done < step; done++) {
        if (missing > 0) this.#make()
        else this.#giveBack()
      }
      return step < Math.abs(missing)
    } catch {
      // A full disk, say: tried again later.
      remove(this.#fresh(this.#tailShard()))
      return false
    }
  }

  /** After `fill`: resolves when few are left, or after `timeoutMs`. */
  async low(timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#numbers, HEAD, this.#seenHead, timeoutMs)
    if (wait.async) await wait.value
  }

  /**
   * Where a file is made, in turn in all folders of `data/`: inodes are looked for near the folder,
   * which is locked meanwhile, and who takes a spare waits for theirs.
   */
  #fresh(shard: number): string {
    return join(this.#directory, 'data', shardName(shard), 'new')
  }

  #tailShard(): number {
    return Number(Atomics.load(this.#numbers, TAIL) % BigInt(SHARDS))
  }

  #path(number: bigint): string {
    return join(this.#spares, String(number))
  }

  /** The number at the head, for the caller alone. */
  #next(): bigint | undefined {
    for (;;) {
      const head = Atomics.load(this.#numbers, HEAD)
      const left = Atomics.load(this.#numbers, TAIL) - head
      if (left <= 0n) return undefined
      if (Atomics.compareExchange(this.#numbers, HEAD, head, head + 1n) !== head) continue
      if (left <= limits.spareFilesLow) Atomics.notify(this.#numbers, HEAD)
      return head
    }
  }

  /** Made for this, and not touched since; what the machine went down with may have other names. */
  #isSpare(name: string): boolean {
    if (!NUMBER.test(name)) return false
    const { mode, size, nlink, mtimeMs } = lstatSync(join(this.#spares, name))
    const isEmpty = mode === (S_IFREG | MODE) && size === 0 && nlink === 1
    return isEmpty && mtimeMs > Date.now() - uptime() * 1000
  }

  #wanted(there: number): number {
    makePrivateFolder(this.#spares)
    const isMovable = statSync(this.#spares).dev === statSync(join(this.#directory, 'data')).dev
    if (!isMovable) return 0
    const { files, ffree } = statfsSync(this.#spares)
    // Some file systems make inodes as they need them, and count none.
    if (files === 0) return limits.spareFiles
    return Math.min(limits.spareFiles, Math.floor((ffree + there) * limits.spareShare))
  }

  #make(): void {
    const number = Atomics.load(this.#numbers, TAIL)
    const fresh = this.#fresh(this.#tailShard())
    closeSync(openSync(fresh, 'wx', MODE))
    renameSync(fresh, this.#path(number))
    Atomics.store(this.#numbers, TAIL, number + 1n)
  }

  #giveBack(): void {
    const number = this.#next()
    if (number !== undefined) remove(this.#path(number))
  }
}

/** Whatever it is. What cannot be removed is no spare either. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // Tried again at the next start.
  }
}
