/** Programs (actor.ts) that write and read versions of files on all nodes, and their history. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Random } from '../fixtures/random.ts'
import type { Operation } from './history.ts'

const PROGRAM = fileURLToPath(new URL('actor.ts', import.meta.url))

export class Actors implements AsyncDisposable {
  readonly history: Operation[] = []
  readonly #children: ChildProcess[] = []
  readonly #ended: Promise<unknown>[] = []

  add(
    kind: Operation['kind'],
    node: number,
    random: Random,
    folder: string,
    files: readonly string[],
  ): void {
    const seed = String(random.below(2 ** 31))
    const args = [PROGRAM, kind, String(node), seed, folder, ...files]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.push(child)
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.history.push(JSON.parse(line) as Operation)
    })
    this.#ended.push(once(child, 'close'))
  }

  /** Resolves when all have completed their last operation. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.stdin!.end()
    await Promise.all(this.#ended)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(this.#ended)
  }
}
