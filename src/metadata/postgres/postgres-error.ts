/**
 * PostgreSQL's failures in this system's terms, and which of them pass: conflicts with another
 * transaction, and everything that ends a connection (postgresql.org/docs: errcodes-appendix).
 */
import { FsError, describe } from '../../base/fs-error.ts'

/** Class 40: serialization failure, deadlock; a lock that was not free. */
const CONFLICT = /^(40...|55P03)$/
/** Connection exceptions, no room for connections, shutting down or starting up, idle too long. */
const AWAY = /^(08...|53300|57P0[1-5]|25P03|57014)$/
const FULL = /^53(100|200)$/

/** What the server says has a severity; what the system or the driver says has not. */
function stateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined ? code : undefined
}

export function isConflict(error: unknown): boolean {
  return CONFLICT.test(stateOf(error) ?? '')
}

/** Whatever the server did not say itself, of an SQLSTATE, is a connection that broke. */
export function isAway(error: unknown): boolean {
  if (error instanceof FsError || error instanceof TypeError) return false
  const state = stateOf(error)
  return state === undefined || AWAY.test(state)
}

export function asFsError(error: unknown, shown: string): FsError {
  if (error instanceof FsError) return error
  const state = stateOf(error) ?? ''
  if (FULL.test(state)) return new FsError('ENOSPC', `no room in ${shown}`, { cause: error })
  if (isConflict(error)) {
    return new FsError('EAGAIN', `${shown}: too many conflicts`, { cause: error })
  }
  if (isAway(error)) return new FsError('ETIMEDOUT', `${shown} is away`, { cause: error })
  return new FsError('EIO', `${shown} failed: ${describe(error)}`, { cause: error })
}
