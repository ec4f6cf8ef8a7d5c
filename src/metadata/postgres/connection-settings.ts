/**
 * How PostgreSQL is reached: a URL as libpq has it, and what is the same for every connection.
 * Numbers come back as numbers: what is kept is exact up to 2^53, and what is not is refused.
 *
 * Invariant: the password is in no message. Where it is not in the URL, PGPASSWORD and ~/.pgpass
 * are asked, as by psql.
 */
import pg, { type ClientConfig } from 'pg'
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'

export interface PostgresAddress {
  readonly url: string
  /** Without password, for messages. */
  readonly shown: string
  readonly hasPassword: boolean
}

/** EINVAL: it is no such URL; the message does not repeat it. */
export function parsePostgresUrl(url: string): PostgresAddress {
  const parsed = URL.parse(url)
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new FsError('EINVAL', 'give postgres://USER@HOST:PORT/DATABASE')
  }
  const { username, password, host, pathname, searchParams } = parsed
  const where = host === '' ? (searchParams.get('host') ?? '') : host
  const shown = `postgres://${username === '' ? '' : `${username}@`}${where}${pathname}`
  const hasPassword = password !== '' || searchParams.has('password')
  return { url, shown, hasPassword }
}

const INT8 = 20
const NUMERIC = 1700

function exactNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  throw new FsError('EIO', `the database has a number that is not exact here: ${text}`)
}

/** By the type of the column. */
const types = new pg.TypeOverrides()
for (const oid of [INT8, NUMERIC]) types.setTypeParser(oid, exactNumber)

export function clientConfig({ url }: PostgresAddress): ClientConfig {
  return {
    connectionString: url,
    application_name: 'cachefs-coordinator',
    types,
    connectionTimeoutMillis: limits.storeConnectMs,
    query_timeout: limits.storeStatementMs,
    idle_in_transaction_session_timeout: limits.storeIdleMs,
    keepAlive: true,
  }
}
