/**
 * The driver process as seen by the harness: one task at a time, each with a deadline. A driver
 * that hangs (because a mount does not answer) is killed, and the next task gets a new one.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DriverAnswer, DriverTask } from './driver-process.ts'
import type { Measured } from './workloads/workload.ts'

/** Maximum duration of a workload, ms. */
const TASK_MS = 600_000

export class Driver implements AsyncDisposable {
  readonly #signal: AbortSignal
  #child: ChildProcess | undefined

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  async perform(task: DriverTask): Promise<Measured> {
    this.#signal.throwIfAborted()
    const child = (this.#child ??= start())
    const done = new AbortController()
    const { signal } = done
    const answered = once(child, 'message', { signal }) as Promise<[DriverAnswer]>
    const ended = once(child, 'exit', { signal }).then(() => 'ended' as const)
    const late = delay(TASK_MS, 'late' as const, { signal, ref: false })
    const aborted = once(this.#signal, 'abort', { signal }).then(() => 'aborted' as const)
    const all = [answered, ended, late, aborted] as const
    for (const promise of all) promise.catch(() => undefined)
    try {
      child.send(task)
      const outcome = await Promise.race(all)
      if (typeof outcome === 'string') throw await this.#failed(outcome)
      const [answer] = outcome
      if ('error' in answer) throw new Error(answer.error)
      return answer.measured
    } finally {
      done.abort()
    }
  }

  async #failed(outcome: 'ended' | 'late' | 'aborted'): Promise<Error> {
    await this[Symbol.asyncDispose]()
    if (outcome === 'aborted') return new Error('interrupted')
    const limit = `did not come back within ${TASK_MS / 60_000} minutes`
    return new Error(outcome === 'late' ? limit : 'the driver process ended')
  }

  /** Does not wait for a process that is blocked in the kernel: it ends when its mount ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await Promise.race([exit, delay(1000)])
    child.unref()
  }
}

function start(): ChildProcess {
  // In its own process group: Ctrl-C reaches only the harness, which stops everything in order.
  const options = { detached: true, execArgv: [] }
  const child = fork(join(import.meta.dirname, 'driver-process.ts'), [], options)
  child.on('error', () => undefined)
  return child
}
