/** A child process that runs steps (actor-process.ts). */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Step } from './case.ts'

const ENTRY = new URL('./actor-process.ts', import.meta.url).pathname

export type Order = { directory: string; keeps: boolean } | { steps: readonly Step[] }

export class Actor implements AsyncDisposable {
  readonly #child: ChildProcess
  /** Pending requests, oldest first. */
  readonly #orders: PromiseWithResolvers<string[]>[] = []

  constructor() {
    this.#child = spawn(process.execPath, [ENTRY], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#orders.shift()?.resolve(JSON.parse(line) as string[])
    })
    this.#child.once('exit', () => {
      const ended = new Error('the process that runs the steps has ended')
      for (const order of this.#orders.splice(0)) order.reject(ended)
    })
  }

  /**
   * Begins a case: sets the working directory and clears the names of open files. Files that
   * earlier cases left open are closed unless `keeps` is set.
   */
  async enter(directory: string, keeps = false): Promise<void> {
    await this.#send({ directory, keeps })
  }

  /** Runs steps; returns what each printed. */
  async run(steps: readonly Step[]): Promise<string[]> {
    return await this.#send({ steps })
  }

  async #send(order: Order): Promise<string[]> {
    const answer = Promise.withResolvers<string[]>()
    this.#orders.push(answer)
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`)
    return await answer.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
