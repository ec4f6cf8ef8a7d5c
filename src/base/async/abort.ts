/**
 * Errors of aborted calls. A timeout is ETIMEDOUT, a reason that is an FsError is thrown as it is,
 * and any other abort is ECANCELED. All layers use these functions, so that a cancelled wait,
 * request or retry fails in the same way everywhere.
 */
import { FsError } from '../fs-error.ts'

export function abortError(signal: AbortSignal, what = 'the call'): FsError {
  const reason: unknown = signal.reason
  if (reason instanceof FsError) return reason
  const isTimeout = (reason as { name?: unknown } | null)?.name === 'TimeoutError'
  return isTimeout
    ? new FsError('ETIMEDOUT', `${what} timed out`, { cause: reason })
    : new FsError('ECANCELED', `${what} was cancelled`, { cause: reason })
}

export function throwIfAborted(signal: AbortSignal | undefined, what?: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}

/** Waits for `work` until `signal` aborts; throws `late` for a timeout, else the abort reason. */
export async function orAborted(
  work: Promise<void>,
  signal: AbortSignal,
  late: FsError,
): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    const isLate = (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
    aborted.reject(isLate ? late : (signal.reason as Error))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
