/**
 * A long-running answer, in lines of JSON (NDJSON) as the work gets on. Nothing is sent before the
 * first line, so that a path that is not there is a plain status; a failure after it is a last line
 * with `error`, and an answer without `done` or `error` was cut off.
 *
 * While the work has nothing new to say, its last line is repeated: who watches knows that the node
 * is alive, and no proxy takes the silence for the end.
 */
import { httpLimits } from '../limits.ts'
import { answerTo } from './http-error.ts'

export async function* progressLines(lines: AsyncIterable<object>): AsyncGenerator<string> {
  const iterator = lines[Symbol.asyncIterator]()
  const first = await iterator.next()
  try {
    for (let it = first; it.done !== true;) {
      const text = `${JSON.stringify(it.value)}\n`
      yield text
      const next = iterator.next()
      while (!(await settlesWithin(next, httpLimits.apiHeartbeatMs))) yield text
      it = await next
    }
  } catch (error) {
    yield `${JSON.stringify(answerTo(error).body)}\n`
  } finally {
    // Where the client has left, the signal ends the work; a generator then runs to its end.
    void iterator.return?.().catch(() => undefined)
  }
}

/** Whether it settles in this time; a failure is left for whoever awaits it. */
export async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), ms)
  const settled = work.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
