/**
 * The thread that writes notifications to the kernel, one after the other, each possibly for long:
 * see kernel-notifier.ts for why that needs a thread of its own.
 */
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

/** `code` is Node's name of what went wrong. */
export interface NotificationResult {
  id: number
  code: string | undefined
}

const { fd } = workerData as { fd: number }
const port = parentPort!

port.on('message', ({ id, message }: { id: number; message: Uint8Array }) => {
  let code: string | undefined
  try {
    writeSync(fd, message)
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
  port.postMessage({ id, code } satisfies NotificationResult)
})
