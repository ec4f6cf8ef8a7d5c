/**
 * Response of a long-running call: lines of JSON (NDJSON) that report progress. Nothing is sent
 * before the first line, so a path that does not exist yields an ordinary error status. A later
 * failure yields a last line with `error`. A response without `done` or `error` was cut off.
 *
 * While there is no news, the last line is repeated. This shows the client that the node is alive,
 * and keeps proxies from closing the connection as idle.
 */
import { httpLimits } from '../limits.ts'
import { answerTo } from '../../filesystem/http/service/http-error.ts'

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
    // If the client disconnected, the signal ends the work; a generator then runs to its end.
    void iterator.return?.().catch(() => undefined)
  }
}

/** Whether `work` settles within `ms`. A rejection is not reported here: the caller awaits it. */
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
