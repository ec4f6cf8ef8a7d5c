/**
 * What the kernel has open and what each thread did last for it, in memory that outlives the
 * process (a mapped file): the successor of a process that was killed goes on from here, and does
 * what is asked again once in effect. Changes of names have their own record, in their transaction
 * (metadata/duplicate-request-rules.ts); everything else may be done twice.
 *
 * Invariant: a thread's record is complete before what it describes is done, so that whoever finds
 * it can finish it. Under the inode's lock.
 */
import { threadId } from 'node:worker_threads'
import type { CurrentRequest } from '../../base/current-request.ts'
import { cacheLimits } from '../limits.ts'
import type { OpenInode } from './open-inode.ts'

const [REQUEST, INO, USES, PENDING] = [0, 1, 2, 3] as const
const [APPEND, APPEND_INO, OFFSET, DELTA, FIELDS] = [4, 5, 6, 7, 8] as const
/** Records of this process's threads, by thread number. */
const THREADS = 2 * cacheLimits.fuseWorkers
/** Records of its predecessors, behind them. */
const INHERITED = 2 * cacheLimits.fuseWorkers
export const JOURNAL_NUMBERS = (THREADS + INHERITED) * FIELDS

export interface Inheritance {
  redo: (ino: number, uses: number) => void
  isBegun: (ino: number, offset: number) => boolean
}

export class RequestJournal {
  readonly #records: Float64Array
  readonly #request: CurrentRequest
  readonly #base = (threadId % THREADS) * FIELDS

  constructor(records: Float64Array, request: CurrentRequest) {
    this.#records = records
    this.#request = request
  }

  /** What an earlier process has counted for this request, as `count` does; undefined: nothing. */
  counted(): number | undefined {
    const before = this.#find(REQUEST)
    return before === undefined ? undefined : this.#records[before + DELTA]
  }

  /**
   * Changes the opens by the kernel (`OpenInode.kernelUses`), by less than zero at the end of one.
   * An open that has to wait takes its use back, and is as if it had not been asked yet.
   */
  count(ino: number, open: OpenInode, delta: number): void {
    const { unique } = this.#request
    const uses = Math.max(0, open.kernelUses + delta)
    const isTakenBack = delta < 0 && this.#records[this.#base + REQUEST] === unique
    this.#put(INO, ino)
    this.#put(USES, uses)
    this.#put(DELTA, delta)
    this.#put(REQUEST, isTakenBack ? 0 : unique)
    this.#put(PENDING, 1)
    open.kernelUses = uses
    this.#put(PENDING, 0)
  }

  /** Where an earlier process has appended what this request is to append. */
  appended(): number | undefined {
    const before = this.#find(APPEND)
    return before === undefined ? undefined : this.#records[before + OFFSET]
  }

  /** The bytes are about to be written at the end of the file. */
  appending(ino: number, offset: number): void {
    this.#put(APPEND_INO, ino)
    this.#put(OFFSET, offset)
    this.#put(APPEND, this.#request.unique)
  }

  /**
   * Takes over the records of an earlier process, the newest where there are too many. `redo` is
   * given each use that it was about to count; `isBegun` is asked whether an append was begun.
   */
  static inherit(
    records: Float64Array,
    before: Float64Array,
    { redo, isBegun }: Inheritance,
  ): void {
    const found: Float64Array[] = []
    for (let base = 0; base + FIELDS <= before.length; base += FIELDS) {
      const record = before.subarray(base, base + FIELDS)
      if (record[PENDING] === 1) redo(record[INO]!, record[USES]!)
      // Else its place is not taken: others may append there before it is asked again.
      if (!isBegun(record[APPEND_INO]!, record[OFFSET]!)) record[APPEND] = 0
      if (newest(record) > 0) found.push(record)
    }
    found.sort((a, b) => newest(b) - newest(a))
    for (const [at, record] of found.slice(0, INHERITED).entries()) {
      records.set(record, (THREADS + at) * FIELDS)
      records[(THREADS + at) * FIELDS + PENDING] = 0
    }
  }

  /** Where the record of this request is, if it was sent before. */
  #find(field: number): number | undefined {
    const { unique, isResent } = this.#request
    if (!isResent) return undefined
    for (let base = 0; base < this.#records.length; base += FIELDS) {
      if (this.#records[base + field] === unique) return base
    }
    return undefined
  }

  #put(field: number, value: number): void {
    this.#records[this.#base + field] = value
  }
}

/** Requests are numbered in the order in which they were made. */
function newest(record: Float64Array): number {
  return Math.max(record[REQUEST]!, record[APPEND]!)
}
