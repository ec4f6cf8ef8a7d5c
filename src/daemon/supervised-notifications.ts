/**
 * Passes notifications of a daemon to its supervisor, which writes them to the kernel. Such a write
 * may block in the kernel on a read that the daemon has yet to answer. If the daemon wrote it
 * itself and were killed, it would not end, and no successor could take over.
 */
import type { NotificationWriter } from '../fuse/notification-thread.ts'
import type { DaemonMessage, SupervisorMessage } from './daemon-protocol.ts'

export class SupervisedNotifications implements NotificationWriter {
  readonly #pending = new Map<number, (code: string | undefined) => void>()
  #nextId = 1

  constructor() {
    process.on('message', (message: SupervisorMessage) => {
      if (!('notified' in message)) return
      this.#pending.get(message.notified)?.(message.code)
      this.#pending.delete(message.notified)
    })
  }

  write(message: Uint8Array): Promise<string | undefined> {
    const id = this.#nextId++
    process.send?.({ kind: 'notify', id, message } satisfies DaemonMessage)
    return new Promise((resolve) => this.#pending.set(id, resolve))
  }

  close(): Promise<void> {
    for (const resolve of this.#pending.values()) resolve(undefined)
    this.#pending.clear()
    return Promise.resolve()
  }
}
