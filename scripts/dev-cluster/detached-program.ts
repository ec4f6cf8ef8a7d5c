/**
 * A program that outlives the script that starts it: its output goes to NAME.log, and its identity
 * to NAME.pid. The process id may be reused by another process, so the file also has the start time
 * of the process; a process that does not match both is never signalled.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startOf } from '../../src/machine/process-start.ts'

const POLL_MS = 50
const READY = /^ready .*$/m

export interface ProgramPlace {
  /** Directory of the log and of the pid file. */
  dir: string
  name: string
}

export interface Patience {
  readyMs: number
  stopMs: number
}

const PATIENCE: Patience = { readyMs: 60_000, stopMs: 90_000 }

interface ProcessRecord {
  pid: number
  /** Clock ticks since boot. */
  startedAt: string
}

export type Stopped = 'stopped' | 'was gone already' | 'was not started here'

export class DetachedProgram {
  readonly name: string
  readonly logFile: string
  readonly #pidFile: string
  readonly #patience: Patience

  constructor({ dir, name }: ProgramPlace, patience: Partial<Patience> = {}) {
    this.name = name
    this.logFile = join(dir, `${name}.log`)
    this.#pidFile = join(dir, `${name}.pid`)
    this.#patience = { ...PATIENCE, ...patience }
  }

  /** Resolves with its `ready` line; false if it is already running. */
  async start(command: string, args: readonly string[]): Promise<string | false> {
    if ((await this.#running()) !== undefined) return false
    await using log = await open(this.logFile, 'a', 0o600)
    const { size } = await log.stat()
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log.fd, log.fd] })
    // A failure to run at all is reported with the others, below.
    child.on('error', () => undefined)
    await this.#record(child.pid)
    try {
      return await this.#ready(child, size)
    } finally {
      child.unref()
    }
  }

  /** Sends SIGTERM and waits until it has ended. A process of another identity is left alone. */
  async stop(): Promise<Stopped> {
    const record = await this.#read()
    if (record === undefined) return 'was not started here'
    const { pid, startedAt } = record
    const isOurs = (await startOf(pid)) === startedAt
    if (isOurs) {
      process.kill(pid, 'SIGTERM')
      const deadlineMs = performance.now() + this.#patience.stopMs
      while ((await startOf(pid)) === startedAt) {
        if (performance.now() > deadlineMs) throw this.#stillThere(pid)
        await sleep(POLL_MS)
      }
    }
    await rm(this.#pidFile, { force: true })
    return isOurs ? 'stopped' : 'was gone already'
  }

  async #ready(child: ChildProcess, offset: number): Promise<string> {
    const deadlineMs = performance.now() + this.#patience.readyMs
    for (;;) {
      const hasEnded = child.pid === undefined || child.exitCode !== null || child.signalCode
      const text = (await readFile(this.logFile)).subarray(offset).toString()
      const ready = READY.exec(text)?.[0]
      if (ready !== undefined) return ready
      const lastLine = text.trim().split('\n').at(-1) ?? ''
      if (hasEnded) {
        await rm(this.#pidFile, { force: true })
        throw new Error(`${this.name} did not start: ${lastLine} (the log is ${this.logFile})`)
      }
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.name} is not ready yet: ${lastLine} (the log is ${this.logFile})`)
      }
      await sleep(POLL_MS)
    }
  }

  #stillThere(pid: number): Error {
    const waited = `${this.#patience.stopMs / 1000} s`
    return new Error(
      `${this.name} (process ${pid}) was asked to stop and is still at it after ${waited}: ` +
        `look into ${this.logFile}`,
    )
  }

  async #running(): Promise<ProcessRecord | undefined> {
    const record = await this.#read()
    if (record === undefined) return undefined
    return (await startOf(record.pid)) === record.startedAt ? record : undefined
  }

  async #record(pid: number | undefined): Promise<void> {
    const startedAt = pid === undefined ? undefined : await startOf(pid)
    if (pid === undefined || startedAt === undefined) return
    const record: ProcessRecord = { pid, startedAt }
    await writeFile(this.#pidFile, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  }

  async #read(): Promise<ProcessRecord | undefined> {
    try {
      const { pid, startedAt } = JSON.parse(await readFile(this.#pidFile, 'utf8')) as ProcessRecord
      // 0 and negative numbers denote process groups.
      return Number.isSafeInteger(pid) && pid > 0 ? { pid, startedAt } : undefined
    } catch {
      return undefined
    }
  }
}
