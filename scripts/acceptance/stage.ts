/**
 * What each step works with: a node and its mount, a directory on the local file system for
 * comparison, and a function that prints what was checked. A step throws at the first mismatch.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientHome, ClientOptions } from '../../test/fixtures/client-process.ts'
import { ClientProcess } from '../../test/fixtures/client-process.ts'

const MIB = 1024 * 1024
const OUTPUT_BYTES = 256 * MIB

export interface StageOptions {
  home: ClientHome
  /** Empty directory on the local file system. */
  scratch: string
  client: ClientOptions
  say: (line: string) => void
}

export class Stage {
  readonly #options: StageOptions
  node: ClientProcess
  #peakRssMib = 0

  private constructor(options: StageOptions, node: ClientProcess) {
    this.#options = options
    this.node = node
  }

  static async open(options: StageOptions): Promise<Stage> {
    return new Stage(options, await ClientProcess.start(options.home, options.client))
  }

  /** Creates a directory on the mount. */
  onMount(name: string): string {
    const path = join(this.#options.home.mount, name)
    mkdirSync(path)
    return path
  }

  /** Creates a directory on the local file system. */
  local(name: string): string {
    const path = join(this.#options.scratch, name)
    mkdirSync(path)
    return path
  }

  say(line: string): void {
    this.#options.say(line)
  }

  /** Waits until everything is durable, then evicts all of it. */
  async evictAll(): Promise<void> {
    await this.node.act('wait', '/')
    await this.node.act('evict', '/')
  }

  /** Kills the node (kill -9) and starts it again; the kernel's caches end with the old mount. */
  async restart(): Promise<void> {
    this.#noteMemory()
    await this.node.kill()
    this.node = await ClientProcess.start(this.#options.home, this.#options.client)
  }

  async close(): Promise<void> {
    this.#noteMemory()
    const code = await this.node.stop()
    if (code !== 0) throw new Error(`the node ended with ${code}: ${this.node.log.join('')}`)
  }

  /** Peak memory use of the node so far. */
  get peakRssMib(): number {
    this.#noteMemory()
    return this.#peakRssMib
  }

  /** Local disk space that the cache uses. */
  get cachedMib(): number {
    // Files are created and removed meanwhile: du reports errors for them and counts the others.
    const command = 'du -sk "$1" 2>/dev/null || true'
    const { stdout } = run('sh', ['-c', command, 'sh', join(this.#options.home.nvme, 'data')])
    return Math.round(Number.parseInt(stdout, 10) / 1024)
  }

  #noteMemory(): void {
    const { exitCode, signalCode } = this.node.child
    if (exitCode !== null || signalCode !== null) return
    const status = readFileSync(`/proc/${this.node.child.pid}/status`, 'utf8')
    const kib = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
    this.#peakRssMib = Math.max(this.#peakRssMib, Math.round(kib / 1024))
  }
}

export interface RunOptions {
  cwd?: string
  environment?: Record<string, string>
  input?: string
}

/** Runs a program and returns its output; throws with its error output if it fails. */
export function run(
  program: string,
  args: readonly string[],
  { cwd, environment = {}, input = '' }: RunOptions = {},
): { stdout: string; stderr: string } {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    input,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES,
    env: { ...process.env, LC_ALL: 'C', ...environment },
  })
  if (error) throw error
  if (status === 0) return { stdout, stderr }
  const said = `${stdout}${stderr}`.slice(-2000)
  throw new Error(`${program} ${args.join(' ')} ended with ${signal ?? status}: ${said}`)
}

/** Runs a shell command. */
export function shell(script: string, options: RunOptions = {}): string {
  return run('sh', ['-euc', script], options).stdout
}

/** Throws with the first lines that differ. */
export function requireEqual(what: string, actual: string, expected: string): void {
  if (actual === expected) return
  const [found, wanted] = [actual.split('\n'), expected.split('\n')]
  const at = found.findIndex((line, index) => line !== wanted[index])
  const first = at < 0 ? found.length : at
  throw new Error(
    `${what} differs at line ${first + 1}:\n` +
      `  on the mount: ${found[first] ?? '(nothing)'}\n` +
      `  locally:      ${wanted[first] ?? '(nothing)'}`,
  )
}

/** Seconds since `startMs` and MiB/s, as text. */
export function pace(startMs: number, bytes: number): string {
  const seconds = (performance.now() - startMs) / 1000
  return `${seconds.toFixed(1)} s, ${(bytes / MIB / seconds).toFixed(0)} MiB/s`
}
