/**
 * Starts the thread that moves the write-ahead logs of both databases into the databases: a
 * checkpoint syncs files, and no request may wait for that. Checkpoints are passive while the logs
 * are small; a log beyond its bound is truncated while writers wait for a moment. The same thread
 * makes preallocated files.
 */
import { Worker } from 'node:worker_threads'
import { siblingModule } from '../../base/sibling-module.ts'
import type { CheckpointSetup } from './checkpoint-worker.ts'

export class Checkpointer {
  readonly #worker: Worker
  readonly #ended: Promise<void>

  constructor(setup: CheckpointSetup, onError: (error: unknown) => void) {
    const module = siblingModule(import.meta.url, 'checkpoint-worker')
    this.#worker = new Worker(module, { workerData: setup })
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        resolve()
      })
    })
    this.#worker.on('error', onError)
    this.#worker.on('message', onError)
    this.#worker.unref()
  }

  /** Resolves after a last checkpoint. */
  async close(): Promise<void> {
    this.#worker.ref()
    this.#worker.postMessage('close')
    await this.#ended
  }
}
