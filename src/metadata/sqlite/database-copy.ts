/**
 * Copies a consistent state of a database that is in use, in its own thread: a million files take
 * seconds, during which readers and writers continue. Later commits are not in the copy.
 */
import { rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { makePrivateFile } from '../../base/private-folder.ts'
import { siblingModule } from '../../base/sibling-module.ts'

/** Creates the file `to`; removes it again on failure. Rejects with the errors of SQLite. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  makePrivateFile(to)
  try {
    await runCopy(from, to)
  } catch (error) {
    await rm(to, { force: true })
    throw error
  }
}

async function runCopy(from: string, to: string): Promise<void> {
  const module = siblingModule(import.meta.url, 'copy-worker')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const worker = new Worker(module, { workerData: { from, to } })
  worker.once('message', ({ message, errcode }: { message: string; errcode?: number }) => {
    reject(Object.assign(new Error(message), { errcode }))
  })
  worker.once('error', reject)
  worker.once('exit', () => resolve())
  await promise
}
