/**
 * The opens by the kernel and the last action of each thread for it, in memory that outlives the
 * process (a mapped file). The successor of a killed process continues from these records, so that
 * a request that the kernel resends takes effect once. Changes of names are recorded in their own
 * transaction (metadata/duplicate-request-rules.ts); all other requests may be executed twice.
 *
 * Invariant: the record of a thread is complete before the action that it describes, so that a
 * successor can finish the action. It is written under the lock of the inode.
 */
import { threadId } from 'node:worker_threads'
import type { CurrentRequest } from '../../base/current-request.ts'
import { cacheLimits } from '../limits.ts'
import type { OpenInode } from './open-inode.ts'

const [REQUEST, INO, USES, PENDING] = [0, 1, 2, 3] as const
const [APPEND, APPEND_INO, OFFSET, DELTA, FIELDS] = [4, 5, 6, 7, 8] as const
/** Records of the threads of this process, by thread number. */
const THREADS = 2 * cacheLimits.fuseWorkers
/** Records of its predecessors; they follow. */
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

  /** Amount that an earlier process has counted for this request (`count`); undefined: none. */
  counted(): number | undefined {
    const before = this.#find(REQUEST)
    return before === undefined ? undefined : this.#records[before + DELTA]
  }

  /**
   * Adds `delta` to the opens by the kernel (`OpenInode.kernelUses`); negative at a release. An
   * open that has to wait takes its count back, as if it had not been requested.
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

  /** Offset at which an earlier process appended the data of this request. */
  appended(): number | undefined {
    const before = this.#find(APPEND)
    return before === undefined ? undefined : this.#records[before + OFFSET]
  }

  /** Records that data is about to be written at the end of the file. */
  appending(ino: number, offset: number): void {
    this.#put(APPEND_INO, ino)
    this.#put(OFFSET, offset)
    this.#put(APPEND, this.#request.unique)
  }

  /**
   * Takes over the records of an earlier process; the newest if there are too many. Calls `redo`
   * for each count that was about to be stored. `isBegun` returns whether an append had begun.
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
      // Otherwise other writes may append at this offset before the request is resent.
      if (!isBegun(record[APPEND_INO]!, record[OFFSET]!)) record[APPEND] = 0
      if (newest(record) > 0) found.push(record)
    }
    found.sort((a, b) => newest(b) - newest(a))
    for (const [at, record] of found.slice(0, INHERITED).entries()) {
      records.set(record, (THREADS + at) * FIELDS)
      records[(THREADS + at) * FIELDS + PENDING] = 0
    }
  }

  /** Position of the record of this request, if the kernel resent it. */
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

/** Number of the latest request of a record; requests are numbered in order. */
function newest(record: Float64Array): number {
  return Math.max(record[REQUEST]!, record[APPEND]!)
}
