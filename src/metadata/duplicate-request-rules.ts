/**
 * Duplicate request cache: the last request of each thread of a mount and its result, recorded in
 * the transaction that executed it. A request that the kernel resends because its process died
 * before the reply is answered from here instead of being executed twice.
 */
import { FsError } from '../base/fs-error.ts'
import type { OperationName } from './operations.ts'
import { change, one, type Rule } from './statement.ts'

/** Specific to the mount of this node; not part of the replicated metadata. */
export const ANSWERED_SCHEMA = `CREATE TABLE IF NOT EXISTS answered (
    thread BIGINT PRIMARY KEY, request BIGINT NOT NULL, result TEXT NOT NULL
  )`

/** Operations that would fail, or undo something, when executed a second time. */
const UNREPEATABLE: ReadonlySet<string> = new Set<OperationName>([
  'create',
  'exchange',
  'link',
  'removeXattr',
  'rename',
  'rmdir',
  'setXattr',
  'unlink',
])

const put = change(
  'duplicate-request.put',
  `INSERT INTO answered (thread, request, result) VALUES (?, ?, ?)
  ON CONFLICT (thread) DO UPDATE SET request = excluded.request, result = excluded.result`,
)
const select = one<{ result: string }>('SELECT result FROM answered WHERE request = ?')
const selectLowest = one<{ thread: number }>(
  'SELECT COALESCE(MIN(thread), 0) AS thread FROM answered',
)
const shift = change(
  'duplicate-request.shift',
  'UPDATE answered SET thread = ? - 1 - thread WHERE thread >= 0',
)
const clear = change('duplicate-request.clear', 'DELETE FROM answered')

export function isUnrepeatable(name: string): boolean {
  return UNREPEATABLE.has(name)
}

/** Runs a rule whose result is plain data, and records the result for the request. */
export function* answering<T>(rule: Rule<T>, request: number, thread: number): Rule<T> {
  const result = yield* rule
  yield* put(thread, request, JSON.stringify(result ?? null))
  return result
}

/** Recorded result of the request; undefined if it was not executed. */
export function* answerOf(request: number): Rule<{ result: unknown } | undefined> {
  const row = yield* select(request)
  return row && { result: parsed(row.result) ?? undefined }
}

/** Renumbers the records of threads that have died, because new threads reuse their numbers. */
export function* keepAnswers(): Rule<void> {
  const { thread } = (yield* selectLowest()) ?? { thread: 0 }
  yield* shift(Math.min(thread, 0))
}

/** Deletes all records: a new mount numbers its requests from the start. */
export function* forgetAnswers(): Rule<void> {
  yield* clear()
}

function parsed(result: string): unknown {
  try {
    return JSON.parse(result)
  } catch (cause) {
    throw new FsError('EIO', 'the recorded answer of a request is damaged', { cause })
  }
}
