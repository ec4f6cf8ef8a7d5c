/**
 * Moves what databases have in their write-ahead logs into the databases themselves, in a thread of
 * its own: a checkpoint syncs files, and no request shall wait for that. Passive while logs are
 * small; a log that grew beyond its bound is cut while writers wait for a moment. The same thread
 * makes spare files, which no request shall wait for either.
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

  /** After a last checkpoint. */
  async close(): Promise<void> {
    this.#worker.ref()
    this.#worker.postMessage('close')
    await this.#ended
  }
}
