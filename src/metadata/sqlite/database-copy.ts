/**
 * A copy of one state of a database that is in use, made by a thread of its own: a million files
 * take seconds, in which writers and readers go on. What is committed meanwhile is not in it.
 */
import { rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { makePrivateFile } from '../../base/private-folder.ts'
import { siblingModule } from '../../base/sibling-module.ts'

/** Nothing is at `to` before, nor where it fails; SQLite's failures are as SQLite reports them. */
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
