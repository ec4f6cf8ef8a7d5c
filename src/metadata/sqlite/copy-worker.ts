/** Thread of database-copy.ts: makes one copy over its own connection, then ends. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

const { from, to } = workerData as { from: string; to: string }
const database = new DatabaseSync(from, { readOnly: true })
try {
  database.prepare('VACUUM INTO ?').run(to)
} catch (error) {
  const { message, errcode } = error as Error & { errcode?: number }
  parentPort?.postMessage({ message, errcode })
} finally {
  database.close()
}
