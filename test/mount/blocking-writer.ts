/**
 * A program that writes, in a process of its own: a write that blocks then blocks nobody else, and
 * can be interrupted. `dd` reports what it could not do, with the error's own words.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export class BlockingWriter {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown[]>
  #stderr = ''

  /** Writes `megabytes` of a local file to `target`. */
  constructor(source: string, target: string, megabytes: number) {
    const args = [`if=${source}`, `of=${target}`, 'bs=1M', `count=${megabytes}`, 'status=none']
    this.#child = spawn('dd', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#ended = once(this.#child, 'close')
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** What it complained of; empty when all went well. */
  async result(): Promise<string> {
    const [code, signal] = (await this.#ended) as [number | null, string | null]
    return code === 0 ? '' : `${signal ?? code}: ${this.#stderr}`
  }
}
