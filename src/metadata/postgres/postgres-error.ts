/**
 * Classifies errors of PostgreSQL and translates them to FsErrors: conflicts between transactions
 * and lost connections can be retried (postgresql.org/docs: errcodes-appendix).
 */
import { FsError, describe } from '../../base/fs-error.ts'

/** Class 40: serialization failure, deadlock; 55P03: lock not available. */
const CONFLICT = /^(40...|55P03)$/
/** Connection errors, too many connections, shutdown, startup, timeouts. */
const AWAY = /^(08...|53300|57P0[1-5]|25P03|57014)$/
const FULL = /^53(100|200)$/

/**
 * SQLSTATE. Only errors from the server have a severity; those of the system or driver have not.
 */
function stateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined ? code : undefined
}

export function isConflict(error: unknown): boolean {
  return CONFLICT.test(stateOf(error) ?? '')
}

/** An error without SQLSTATE means that the connection broke. */
export function isAway(error: unknown): boolean {
  if (error instanceof FsError || error instanceof TypeError) return false
  const state = stateOf(error)
  return state === undefined || AWAY.test(state)
}

export function asFsError(error: unknown, shown: string): FsError {
  if (error instanceof FsError) return error
  const state = stateOf(error) ?? ''
  if (FULL.test(state)) return new FsError('ENOSPC', `no space left in ${shown}`, { cause: error })
  if (isConflict(error)) {
    return new FsError('EAGAIN', `${shown}: too many transaction conflicts`, { cause: error })
  }
  if (isAway(error)) return new FsError('ETIMEDOUT', `${shown} is unreachable`, { cause: error })
  return new FsError('EIO', `${shown} failed: ${describe(error)}`, { cause: error })
}
