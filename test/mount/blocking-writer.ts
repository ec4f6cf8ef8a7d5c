/**
 * A program that writes, as a separate process: a blocked write blocks only that process and can be
 * interrupted. `dd` reports the text of the error.
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

  /** Exit code and standard error; empty on success. */
  async result(): Promise<string> {
    const [code, signal] = (await this.#ended) as [number | null, string | null]
    return code === 0 ? '' : `${signal ?? code}: ${this.#stderr}`
  }
}
