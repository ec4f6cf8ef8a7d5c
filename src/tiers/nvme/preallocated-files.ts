/**
 * Preallocated empty files, `spare/<number>`: a new inode gets its backing file by a rename.
 * Creating a file makes the file system search for a free inode, which can be slow (ext4 without a
 * journal walks past recently freed inodes), so it happens outside the path of requests. The files
 * with numbers from `head` to `tail - 1` exist; both numbers are in memory shared by all threads.
 * Any thread takes at the head; one thread adds at the tail.
 *
 * Invariants: no number is used twice. A preallocated file is empty, has one name, and was never
 * another file (a program that has a removed file open or mapped would share the new one). A
 * failure reduces the number of preallocated files and fails no request.
 */
import {
  closeSync,
  constants,
  fstatSync,
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
import { PLAIN_FILE, makePrivateFolder } from '../../base/private-folder.ts'
import { tiersLimits } from '../limits.ts'
import { SHARDS, shardName } from './backing-files.ts'

const HEAD = 0
const TAIL = 1
const MODE = 0o600
const S_IFREG = 0o100000
/** Decimal number that a double represents exactly. */
const NUMBER = /^(0|[1-9]\d{0,14})$/

export class PreallocatedFiles {
  readonly #directory: string
  readonly #folder: string
  readonly #numbers: BigInt64Array
  #headAtFill = 0n

  /**
   * `directory`: the NVMe directory. `numbers`: head and tail, shared by all threads, initially 0.
   */
  constructor(directory: string, numbers: BigInt64Array) {
    this.#directory = directory
    this.#folder = join(directory, 'spare')
    this.#numbers = numbers
  }

  /**
   * Renames a preallocated file to `path` and opens it for reading and writing. Returns -1 if none
   * is available. The caller has checked that `path` does not exist, and excludes others from
   * creating it.
   */
  take(path: string): number {
    const number = this.#next()
    if (number === undefined) return -1
    const preallocated = this.#path(number)
    let fd = -1
    try {
      // Open before rename: a failure has changed nothing at `path`.
      fd = openSync(preallocated, constants.O_RDWR | PLAIN_FILE)
      const stat = fstatSync(fd)
      if (!stat.isFile() || stat.size > 0) throw new Error('not an empty plain file')
      renameSync(preallocated, path)
      return fd
    } catch {
      if (fd >= 0) closeSync(fd)
      remove(preallocated)
      return -1
    }
  }

  /** Adopts the files that an earlier process left. Call once before `fill`, in the same thread. */
  takeOver(): void {
    for (let shard = 0; shard < SHARDS; shard++) remove(this.#creationPath(shard))
    try {
      const names = readdirSync(this.#folder)
      const numbers = names.filter((name) => this.#isPreallocated(name)).map(Number)
      const first = numbers.reduce((least, number) => Math.min(least, number), Infinity)
      const kept = numbers.filter((number) => number < first + tiersLimits.preallocatedMost)
      const isKept = new Set(kept.map(String))
      for (const name of names) if (!isKept.has(name)) remove(join(this.#folder, name))
      if (kept.length === 0) return
      Atomics.store(this.#numbers, HEAD, BigInt(first))
      Atomics.store(this.#numbers, TAIL, BigInt(Math.max(...kept)) + 1n)
    } catch {
      // Nothing to adopt: for example, the directory does not exist.
    }
  }

  /**
   * Creates files, or removes some if the disk runs out of inodes, a batch per call. False: there
   * are enough, or no more can be created.
   */
  fill(): boolean {
    try {
      this.#headAtFill = Atomics.load(this.#numbers, HEAD)
      const there = Number(Atomics.load(this.#numbers, TAIL) - this.#headAtFill)
      const missing = this.#wanted(there) - there
      const step = Math.min(Math.abs(missing), tiersLimits.preallocationBatch)
      for (let done = 0; done < step; done++) {
        if (missing > 0) this.#make()
        else this.#removeOne()
      }
      return step < Math.abs(missing)
    } catch {
      // For example, the disk is full: the next call tries again.
      remove(this.#creationPath(this.#tailShard()))
      return false
    }
  }

  /** Call after `fill`: resolves when few files are left, or after `timeoutMs`. */
  async low(timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#numbers, HEAD, this.#headAtFill, timeoutMs)
    if (wait.async) await wait.value
  }

  /**
   * Path at which a file is created, in each directory of `data/` in turn. The file system searches
   * for a free inode near the parent directory and locks the directory meanwhile; in `spare/`, a
   * thread that takes a file would wait for that lock.
   */
  #creationPath(shard: number): string {
    return join(this.#directory, 'data', shardName(shard), 'new')
  }

  #tailShard(): number {
    return Number(Atomics.load(this.#numbers, TAIL) % BigInt(SHARDS))
  }

  #path(number: bigint): string {
    return join(this.#folder, String(number))
  }

  /** Claims the number at the head for the caller. */
  #next(): bigint | undefined {
    for (;;) {
      const head = Atomics.load(this.#numbers, HEAD)
      const left = Atomics.load(this.#numbers, TAIL) - head
      if (left <= 0n) return undefined
      if (Atomics.compareExchange(this.#numbers, HEAD, head, head + 1n) !== head) continue
      if (left <= tiersLimits.preallocatedLow) Atomics.notify(this.#numbers, HEAD)
      return head
    }
  }

  /**
   * Whether the file is unused and was created since the machine booted. After a crash of the
   * machine, a file may have further names.
   */
  #isPreallocated(name: string): boolean {
    if (!NUMBER.test(name)) return false
    const { mode, size, nlink, mtimeMs } = lstatSync(join(this.#folder, name))
    const isEmpty = mode === (S_IFREG | MODE) && size === 0 && nlink === 1
    return isEmpty && mtimeMs > Date.now() - uptime() * 1000
  }

  #wanted(there: number): number {
    makePrivateFolder(this.#folder)
    const isMovable = statSync(this.#folder).dev === statSync(join(this.#directory, 'data')).dev
    if (!isMovable) return 0
    const { files, ffree } = statfsSync(this.#folder)
    // Some file systems create inodes on demand and report a count of 0.
    if (files === 0) return tiersLimits.preallocatedMost
    return Math.min(
      tiersLimits.preallocatedMost,
      Math.floor((ffree + there) * tiersLimits.preallocationShare),
    )
  }

  #make(): void {
    const number = Atomics.load(this.#numbers, TAIL)
    const created = this.#creationPath(this.#tailShard())
    closeSync(openSync(created, 'wx', MODE))
    renameSync(created, this.#path(number))
    Atomics.store(this.#numbers, TAIL, number + 1n)
  }

  #removeOne(): void {
    const number = this.#next()
    if (number !== undefined) remove(this.#path(number))
  }
}

/** Removes a file or directory. One that cannot be removed is not used either. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // The next start tries again.
  }
}
