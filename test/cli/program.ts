/** The programs of this checkout as processes, with their output and exit status. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = join(import.meta.dirname, '../..')
const STAND_IN = pathToFileURL(join(import.meta.dirname, 'use-stand-in.ts')).href
const TIMEOUT_MS = 60_000

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export class Program implements AsyncDisposable {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  /** env.STAND_IN: behaviour of a stand-in that replaces the node; see stand-in-node.ts. */
  constructor(name: string, args: string[], env: Record<string, string> = {}) {
    const nodeOptions = env['STAND_IN'] === undefined ? '' : `--import=${STAND_IN}`
    this.child = spawn(join(ROOT, 'bin', name), args, {
      env: { ...withoutOurs(process.env), NODE_OPTIONS: nodeOptions, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.ended = once(this.child, 'close').then(([status, signal]) => ({
      status: status as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** Waits for matching output; returns the match. */
  async says(pattern: RegExp): Promise<string[]> {
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
      if (match !== null) return match
      const news = [this.child.stdout, this.child.stderr].map((stream) => once(stream!, 'data'))
      const result = await Promise.race([...news, this.ended])
      if (!Array.isArray(result) && !pattern.test(this.stdout + this.stderr)) {
        throw new Error(`ended without saying ${pattern.source}: ${JSON.stringify(result)}`)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

export async function run(
  name: string,
  args: string[],
  env?: Record<string, string>,
): Promise<Ended> {
  return await new Program(name, args, env).ended
}

/** Removes the variables of the environment in which the tests run. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(env).filter(([name]) => !/^(CACHEFS|AWS|AZURE|POD)_/.test(name))
  return Object.fromEntries(entries)
}
