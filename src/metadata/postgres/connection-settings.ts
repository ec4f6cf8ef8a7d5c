/**
 * Connection settings for PostgreSQL: a URL as for libpq, and common options. Columns with numbers
 * are returned as numbers: all values in use are exact up to 2^53, others are rejected.
 *
 * Invariant: no message contains the password. If the URL has none, PGPASSWORD and ~/.pgpass are
 * used, as by psql.
 */
import pg, { type ClientConfig } from 'pg'
import { FsError } from '../../base/fs-error.ts'
import { metadataLimits } from '../limits.ts'

export interface PostgresAddress {
  readonly url: string
  /** Without password, for messages. */
  readonly shown: string
  readonly hasPassword: boolean
}

/** Throws EINVAL if the URL is invalid; the message does not repeat it. */
export function parsePostgresUrl(url: string): PostgresAddress {
  const parsed = URL.parse(url)
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new FsError('EINVAL', 'expected postgres://USER@HOST:PORT/DATABASE')
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
  throw new FsError('EIO', `the database contains a number above 2^53: ${text}`)
}

/** Parsers by type of the column. */
const types = new pg.TypeOverrides()
for (const oid of [INT8, NUMERIC]) types.setTypeParser(oid, exactNumber)

export function clientConfig({ url }: PostgresAddress): ClientConfig {
  return {
    connectionString: url,
    application_name: 'cachefs-coordinator',
    types,
    connectionTimeoutMillis: metadataLimits.storeConnectMs,
    query_timeout: metadataLimits.storeStatementMs,
    idle_in_transaction_session_timeout: metadataLimits.storeIdleMs,
    keepAlive: true,
  }
}
