/**
 * Runs a node as two processes. This one opens /dev/fuse and does nothing else that could fail; the
 * daemon that it starts does the rest. The mount exists as long as a process has its connection
 * open. If the daemon dies, its successor gets the same connection and the kernel sends the
 * unanswered requests again, so programs see a pause and no error.
 *
 * Invariants: there is one daemon at a time. After a bounded number of failures in a row the mount
 * is given up. A daemon does not outlive this process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../base/log/logger.ts'
import { siblingModule } from '../base/sibling-module.ts'
import { ConnectionGuard } from '../fuse/mount/connection-guard.ts'
import { canResume } from '../fuse/wire/handshake.ts'
import { abortMountSync, openFuseDevice } from '../fuse/mount/mount.ts'
import { NotificationThread } from '../fuse/notification-thread.ts'
import { daemonLimits } from './limits.ts'
import type {
  DaemonMessage,
  NotifiedMessage,
  ServedMount,
  StartMessage,
} from './daemon-protocol.ts'
import type { KeyedOptions } from '../options/node-options.ts'
import type { RunningNode } from './running-node.ts'

interface Served {
  mount: ServedMount
  apiUrl: string
}

export class Supervisor implements RunningNode {
  readonly #options: KeyedOptions
  readonly #logger: Logger
  readonly #failed: PromiseWithResolvers<never> = Promise.withResolvers()
  #fd = openFuseDevice()
  #mountId = randomUUID()
  #daemon: ChildProcess | undefined
  #guard: ConnectionGuard | undefined
  #notifications = new NotificationThread(this.#fd)
  #served: Served | undefined
  #stopping: Promise<void> | undefined
  #replacing = false
  #restarts = 0
  /** Daemons that died in a row before they had served for `daemonSettledMs`. */
  #failures = 0

  private constructor(options: KeyedOptions, logger: Logger) {
    this.#options = options
    this.#logger = logger
    this.#failed.promise.catch(() => undefined)
  }

  /** Resolves when the mount and the API answer; rejects with the error of the daemon. */
  static async start(options: KeyedOptions, logger: Logger): Promise<Supervisor> {
    const supervisor = new Supervisor(options, logger)
    try {
      supervisor.#served = await supervisor.#launch()
      return supervisor
    } catch (error) {
      closeSync(supervisor.#fd)
      throw error
    }
  }

  get mount(): ServedMount {
    return this.#served!.mount
  }

  get apiUrl(): string {
    return this.#served!.apiUrl
  }

  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** Stops the daemon, which bounds the time of its stop itself. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** Kills the daemon and aborts the mount immediately. */
  abandon(): void {
    this.#daemon?.kill('SIGKILL')
    abortMountSync(this.#options.mountPoint)
    this.#unguard()
  }

  async #stop(): Promise<void> {
    const daemon = this.#daemon
    if (daemon?.exitCode === null && daemon.signalCode === null) {
      const ended = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      await ended
    }
    abortMountSync(this.#options.mountPoint)
    await this.#notifications.close()
    closeSync(this.#fd)
    this.#unguard()
  }

  #unguard(): void {
    this.#guard?.[Symbol.dispose]()
    this.#guard = undefined
  }

  /** Starts one daemon and waits until it serves. */
  async #launch(): Promise<Served> {
    const program = fileURLToPath(siblingModule(import.meta.url, '../node/node-daemon'))
    // Applies to its worker threads too; flags of the user come later and take precedence.
    const heap = `--max-semi-space-size=${daemonLimits.semiSpaceMib}`
    const daemon = spawn(process.execPath, [heap, ...process.execArgv, program], {
      // Ctrl-C must reach only this process, which passes it on once.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', this.#fd, 'ipc'],
      serialization: 'advanced',
      // mallopt(3): threads share freed buffers, and large ones return to the system at once.
      env: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576', ...process.env },
    })
    this.#daemon = daemon
    daemon.send(this.#orders())
    const served = await answerOf(daemon, (message) => this.#take(daemon, message))
    this.#guard ??= new ConnectionGuard(served.mount.mountPoint)
    const readyMs = performance.now()
    daemon.once('exit', (code, signal) => void this.#ended(code, signal, readyMs))
    return served
  }

  #orders(): StartMessage {
    const { port } = new URL(this.#served?.apiUrl ?? `http://localhost:${this.#options.port}`)
    const options = { ...this.#options, port: Number(port) }
    const resumed = this.#served?.mount
    return { options, resumed, mountId: this.#mountId, restarts: this.#restarts }
  }

  #take(daemon: ChildProcess, message: DaemonMessage): void {
    if (message.kind === 'replace') this.#replacing = true
    else if (message.kind === 'failed') this.#fail(new Error(message.message))
    else if (message.kind === 'notify') void this.#notify(daemon, message)
  }

  /**
   * Continues if the daemon dies meanwhile: its successor answers the requests that the kernel
   * waits for.
   */
  async #notify(
    daemon: ChildProcess,
    { id, message }: DaemonMessage & { kind: 'notify' },
  ): Promise<void> {
    const code = await this.#notifications.write(message).catch(() => 'EIO')
    const notified: NotifiedMessage = { notified: id, code }
    if (daemon.connected) daemon.send(notified, () => undefined)
  }

  async #ended(code: number | null, signal: string | null, readyMs: number): Promise<void> {
    if (this.#stopping) return
    if (code === 0) {
      // The daemon was stopped deliberately, so this process stops too.
      process.kill(process.pid, 'SIGTERM')
      return
    }
    if (signal === null) {
      this.#fail(new Error(`the daemon ended with status ${code ?? 'unknown'}`))
      return
    }
    const isReplaced = this.#replacing
    this.#replacing = false
    if (!isReplaced) this.#logger.error(`the daemon died (${signal}): another one takes over`)
    if (performance.now() - readyMs >= daemonLimits.daemonSettledMs) this.#failures = 0
    if (!isReplaced) await this.#holdBack()
    await this.#succeed()
  }

  async #succeed(): Promise<void> {
    while (!this.#isStopping()) {
      this.#restarts += 1
      try {
        this.#prepareConnection()
        const startedMs = performance.now()
        this.#served = await this.#launch()
        const tookMs = Math.round(performance.now() - startedMs)
        this.#logger.info(`a new daemon serves ${this.mount.mountPoint}, after ${tookMs} ms`)
        return
      } catch (error) {
        if (this.#isStopping()) return
        if (this.#failures >= daemonLimits.daemonFailures) {
          this.#fail(new Error(`${this.#failures} daemons in a row died`, { cause: error }))
          return
        }
        this.#logger.error({ err: error }, 'the new daemon did not start; tried again')
        await this.#holdBack()
      }
    }
  }

  /**
   * Kernels before 6.9 cannot resend requests, so programs would wait forever for answers: the
   * mount is made anew.
   */
  #prepareConnection(): void {
    if (!this.#served || canResume(this.#served.mount.negotiated)) return
    abortMountSync(this.#options.mountPoint)
    closeSync(this.#fd)
    this.#unguard()
    void this.#notifications.close()
    this.#fd = openFuseDevice()
    this.#notifications = new NotificationThread(this.#fd)
    this.#mountId = randomUUID()
    this.#served = undefined
  }

  /** Delays a restart: none after the first failure, then exponentially longer. */
  async #holdBack(): Promise<void> {
    const exponent = this.#failures++
    const ms = exponent === 0 ? 0 : daemonLimits.daemonBackoffMs * 2 ** (exponent - 1)
    await delay(Math.min(ms, daemonLimits.daemonBackoffMaxMs))
  }

  #isStopping(): boolean {
    return this.#stopping !== undefined
  }

  #fail(error: Error): void {
    this.#failed.reject(error)
  }
}

/** Resolves when the daemon serves; rejects with its error message, or with how it exited. */
async function answerOf(
  daemon: ChildProcess,
  onLater: (message: DaemonMessage) => void,
): Promise<Served> {
  const { promise, resolve, reject } = Promise.withResolvers<Served>()
  let isServing = false
  daemon.on('message', (message: DaemonMessage) => {
    if (isServing || message.kind === 'notify') onLater(message)
    else if (message.kind === 'ready') resolve(message)
    else if (message.kind === 'failed') reject(new Error(message.message))
  })
  daemon.once('error', reject)
  daemon.once('exit', (code, signal) => {
    reject(new Error(`the daemon ended with ${signal ?? `status ${code}`} before it served`))
  })
  const served = await promise
  isServing = true
  return served
}
