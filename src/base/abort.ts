/**
 * What an aborted call throws. An abort is the caller's wish (ECANCELED) unless its reason says
 * more: a timeout is ETIMEDOUT, and a reason that already is an FsError is kept as it is. Every
 * layer asks here, so that a cancelled wait, request or retry looks the same everywhere.
 */
import { FsError } from './fs-error.ts'

export function abortError(signal: AbortSignal, what = 'the call'): FsError {
  const reason: unknown = signal.reason
  if (reason instanceof FsError) return reason
  const isTimeout = (reason as { name?: unknown } | null)?.name === 'TimeoutError'
  return isTimeout
    ? new FsError('ETIMEDOUT', `${what} took too long`, { cause: reason })
    : new FsError('ECANCELED', `${what} was cancelled`, { cause: reason })
}

export function throwIfAborted(signal: AbortSignal | undefined, what?: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}

/** The end of the work, or (`late`: in place of a timeout's) the reason of the abort. */
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
