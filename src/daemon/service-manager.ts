/**
 * Notifies systemd of the state of a unit with Type=notify: ready, stopping, and a line for
 * `systemctl status` (sd_notify(3)). Does nothing if NOTIFY_SOCKET is not set.
 *
 * Invariant: children do not inherit NOTIFY_SOCKET, so a daemon that is replaced cannot report for
 * the service.
 */
import { describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import type { Environment } from '../options/flag.ts'

type Send = (data: Uint8Array) => void

export class ServiceManager {
  readonly #send: Send | undefined
  readonly #logger: Logger

  private constructor(send: Send | undefined, logger: Logger) {
    this.#send = send
    this.#logger = logger
  }

  /** Removes NOTIFY_SOCKET from the environment. */
  static async fromEnvironment(environment: Environment, logger: Logger): Promise<ServiceManager> {
    const socket = environment['NOTIFY_SOCKET'] ?? ''
    delete environment['NOTIFY_SOCKET']
    if (socket === '') return new ServiceManager(undefined, logger)
    // Loaded on demand: a coordinator uses FFI for nothing else.
    const { sendDatagram } = await import('../base/native-calls.ts')
    return new ServiceManager((data) => sendDatagram(socket, data), logger)
  }

  ready(status = 'ready'): void {
    this.#tell('READY=1', `STATUS=${status}`)
  }

  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=stopping')
  }

  /** A failed notification is only logged; if the manager needs it, it stops the service itself. */
  #tell(...lines: string[]): void {
    try {
      const text = lines.map((line) => line.replaceAll(/[\r\n]+/g, ' ')).join('\n')
      this.#send?.(Buffer.from(text))
    } catch (error) {
      this.#logger.warn(`the service manager could not be told ${lines[0]}: ${describe(error)}`)
    }
  }
}
