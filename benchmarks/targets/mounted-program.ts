/**
 * A program that serves a mount in the foreground, as a child process in its own process group
 * (Ctrl-C reaches only the harness, which stops everything in order). It has started when the mount
 * exists. At the end it gets some time to unmount, then the mount is removed by force.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const START_MS = 30_000
/** Longer than the time for which a node drains its uploads. */
const STOP_MS = 45_000
const POLL_MS = 50
const KEPT_CHARACTERS = 16_384
/** Background work counts as finished when the process uses less than this share of a core. */
const IDLE_SHARE = 0.05
const IDLE_LOOK_MS = 200
const IDLE_MS = 120_000
/** Clock ticks per second in /proc: USER_HZ, the same on every Linux that Node supports. */
const TICKS = 100

export interface ProgramOptions {
  command: string
  args: readonly string[]
  environment?: Record<string, string>
  mountPoint: string
  /** Must also have been printed. */
  ready?: RegExp
  signal: AbortSignal
}

export class MountedProgram implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #mountPoint: string
  #output = ''

  static async start(options: ProgramOptions): Promise<MountedProgram> {
    await mkdir(options.mountPoint, { recursive: true })
    const { command, args, environment } = options
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    })
    const program = new MountedProgram(child, options.mountPoint)
    try {
      await program.#started(options)
    } catch (error) {
      await program[Symbol.asyncDispose]()
      throw error
    }
    return program
  }

  private constructor(child: ChildProcess, mountPoint: string) {
    this.#child = child
    this.#mountPoint = mountPoint
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-KEPT_CHARACTERS)
    }
    child.on('error', (error) => keep(error.message))
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', keep)
  }

  /** The end of its output. */
  get output(): string {
    return this.#output
  }

  async #started({ command, mountPoint, ready, signal }: ProgramOptions): Promise<void> {
    const deadlineMs = performance.now() + START_MS
    while (!(await isMounted(mountPoint)) || ready?.test(this.#output) === false) {
      signal.throwIfAborted()
      if (this.#hasEnded) throw new Error(`${command} ended: ${this.#output.trim()}`)
      if (performance.now() > deadlineMs) {
        throw new Error(`${command} did not mount in time: ${this.#output.trim()}`)
      }
      await delay(POLL_MS)
    }
  }

  get #hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid === undefined || exitCode !== null || signalCode !== null
  }

  async idle(signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + IDLE_MS
    while (!this.#hasEnded && performance.now() < deadlineMs) {
      const before = await this.#cpuSeconds()
      await delay(IDLE_LOOK_MS, undefined, { signal })
      const used = (await this.#cpuSeconds()) - before
      if (used * 1000 < IDLE_SHARE * IDLE_LOOK_MS + 1000 / TICKS) return
    }
  }

  async #cpuSeconds(): Promise<number> {
    try {
      const text = await readFile(`/proc/${this.#child.pid ?? 0}/stat`, 'utf8')
      // Fields after the name, which is in brackets and may contain anything: proc_pid_stat(5).
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS
    } catch {
      return 0
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) {
      const exit = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await Promise.race([exit, delay(STOP_MS, undefined, { ref: false })])
    }
    if (await isMounted(this.#mountPoint)) {
      await once(spawn('umount', ['-l', this.#mountPoint], { stdio: 'ignore' }), 'close')
    }
    if (this.#hasEnded) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await Promise.race([exit, delay(1000)])
  }
}

async function isMounted(mountPoint: string): Promise<boolean> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  return table.split('\n').some((line) => line.split(' ')[4] === mountPoint)
}
