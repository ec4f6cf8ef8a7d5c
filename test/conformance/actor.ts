/** A process that runs steps for us (actor-process.ts). */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Step } from './case.ts'

const ENTRY = new URL('./actor-process.ts', import.meta.url).pathname

export type Order = { directory: string; keeps: boolean } | { steps: readonly Step[] }

export class Actor implements AsyncDisposable {
  readonly #child: ChildProcess
  /** What was ordered and is not answered, oldest first. */
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
   * Begins a case: the directory is the working directory, and no name stands for an open file;
   * what earlier cases have open is closed, unless it `keeps` that.
   */
  async enter(directory: string, keeps = false): Promise<void> {
    await this.#send({ directory, keeps })
  }

  /** What each step printed. */
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
