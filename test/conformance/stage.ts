/**
 * Runs cases in a directory: each in its own new folder, with steps in one or two processes. The
 * result of a case is its transcript, with what each step printed.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Actor } from './actor.ts'
import type { Case, Step } from './case.ts'

export interface Transcript {
  name: string
  /** What each step printed, in order. */
  results: readonly string[]
}

export class Stage implements AsyncDisposable {
  readonly #directory: string
  #actors = new Map<Step['process'], Actor>()
  #made = 0

  /** Creates a new folder in `directory`. */
  constructor(directory: string) {
    this.#directory = mkdtempSync(join(directory, 'conformance-'))
    chmodSync(this.#directory, 0o755)
  }

  /** Runs a complete case without a power cut. */
  async play(it: Case): Promise<Transcript> {
    const folder = this.prepare()
    const results = await this.run(it.steps, folder)
    for (const actor of this.#actors.values()) await actor.enter(this.#directory)
    rmSync(folder, { recursive: true, force: true })
    return { name: it.name, results }
  }

  /** Creates the folder of the next case; returns its path. */
  prepare(): string {
    const folder = join(this.#directory, String(++this.#made))
    mkdirSync(folder)
    chmodSync(folder, 0o777)
    return folder
  }

  /** `keeps`: files that other cases have open stay open. */
  async run(steps: readonly Step[], folder: string, keeps = false): Promise<string[]> {
    const entered = new Set<Step['process']>()
    const results: string[] = []
    const started = new Map<Step['process'], Promise<string[]>>()
    for (const part of runsOf(steps)) {
      const { process, starts, words } = part[0]!
      const actor = this.#actor(process)
      if (!entered.has(process)) await actor.enter(folder, keeps)
      entered.add(process)
      if (words[0] === 'finish') results.push(...((await started.get(process)) ?? ['not started']))
      else if (starts) {
        started.set(process, actor.run(part))
        results.push('started')
      } else results.push(...(await actor.run(part)))
    }
    return results
  }

  #actor(process: Step['process']): Actor {
    const known = this.#actors.get(process)
    if (known) return known
    const actor = new Actor()
    this.#actors.set(process, actor)
    return actor
  }

  /** Ends the processes, which closes their files. */
  async release(): Promise<void> {
    const actors = [...this.#actors.values()]
    this.#actors.clear()
    await Promise.all(actors.map((actor) => actor[Symbol.asyncDispose]()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Groups consecutive steps that one process can run in one go. */
function runsOf(steps: readonly Step[]): Step[][] {
  const runs: Step[][] = []
  for (const step of steps) {
    const last = runs.at(-1)?.at(-1)
    const isAlone = step.starts || step.words[0] === 'finish'
    const follows = last?.process === step.process && !last.starts && last.words[0] !== 'finish'
    if (follows && !isAlone) runs.at(-1)!.push(step)
    else runs.push([step])
  }
  return runs
}
