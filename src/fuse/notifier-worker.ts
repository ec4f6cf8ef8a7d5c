/**
 * Thread that writes notifications to the kernel one after the other; each write may block. See
 * kernel-notifier.ts for why this needs its own thread.
 */
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

/** `code`: error code of the write; undefined on success. */
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
