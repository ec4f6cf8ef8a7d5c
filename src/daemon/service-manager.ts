/**
 * What systemd is told of a unit with Type=notify: that it is ready, that it stops, and a line that
 * `systemctl status` shows (sd_notify(3)). Where nobody asked (NOTIFY_SOCKET), nobody is told.
 *
 * Invariant: children do not inherit the socket: a daemon that is replaced does not speak for the
 * service.
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

  /** Takes the socket out of the environment. */
  static async fromEnvironment(environment: Environment, logger: Logger): Promise<ServiceManager> {
    const socket = environment['NOTIFY_SOCKET'] ?? ''
    delete environment['NOTIFY_SOCKET']
    if (socket === '') return new ServiceManager(undefined, logger)
    // Loaded where it is needed: a coordinator has no other use for FFI.
    const { sendDatagram } = await import('../base/native-calls.ts')
    return new ServiceManager((data) => sendDatagram(socket, data), logger)
  }

  ready(status = 'ready'): void {
    this.#tell('READY=1', `STATUS=${status}`)
  }

  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=stopping')
  }

  /** A manager that does not listen is no reason to stop; it may stop the service. */
  #tell(...lines: string[]): void {
    try {
      const text = lines.map((line) => line.replaceAll(/[\r\n]+/g, ' ')).join('\n')
      this.#send?.(Buffer.from(text))
    } catch (error) {
      this.#logger.warn(`the service manager could not be told ${lines[0]}: ${describe(error)}`)
    }
  }
}
