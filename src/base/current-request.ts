/**
 * The request that a thread is processing, with the results of the waits for which it was suspended
 * before (base/suspended.ts). After a daemon dies, the kernel resends the unanswered requests to
 * its successor, whether they were executed or not; with this identity, code that must not execute
 * a request twice detects the repetition. One instance per thread.
 */
import type { ResultOf, WaitResult } from './suspended.ts'

const NONE: readonly WaitResult[] = []

export class CurrentRequest {
  /** Unique for the life of the mount; 0: the mount does not outlive the process. */
  unique = 0
  /** An earlier process may have executed the request already. */
  isResent = false
  #results: readonly WaitResult[] = NONE

  /** The calls that follow belong to this request. `results`: of its waits so far, in order. */
  begin(unique: number, isResent: boolean, results = NONE): void {
    this.unique = unique
    this.isResent = isResent
    this.#results = results
  }

  /** Runs an operation of this process again, with the results of its waits so far, in order. */
  run<T>(results: readonly WaitResult[], operation: () => T): T {
    this.begin(0, false, results)
    try {
      return operation()
    } finally {
      this.#results = NONE
    }
  }

  /** Removes and returns the first result of a kind and subject; throws its error if it has one. */
  take<T>(kind: ResultOf<T>, subject: number | string): { value: T } | undefined {
    if (this.#results.length === 0) return undefined
    const found = this.#results.find((result) => result.of === kind && result.subject === subject)
    if (found === undefined) return undefined
    this.#results = this.#results.filter((result) => result !== found)
    if (found.error !== undefined) throw found.error as Error
    return { value: found.value as T }
  }
}

/** The same in all processes that serve a mount; unique among all mounts of all nodes. */
export interface RequestIdentity {
  mount: string
  request: number
}
