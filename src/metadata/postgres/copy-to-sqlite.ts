/**
 * Copies a consistent state of the metadata from PostgreSQL to an SQLite file for a node: all
 * tables as of one moment, page by page in key order, so that memory use stays constant.
 */
import { rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { PoolClient } from 'pg'
import { makePrivateFile } from '../../base/private-folder.ts'
import { metadataLimits } from '../limits.ts'
import { REPLICA_SCHEMA, SCHEMA, TABLES } from '../schema.ts'
import { numbered } from './postgres-calls.ts'

type Row = Record<string, SQLInputValue>

const ONE_STATE = 'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY'

/** Creates the file at `path`; removes it again on failure. */
export async function copyToSqlite(client: PoolClient, path: string): Promise<void> {
  makePrivateFile(path)
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF')
    for (const sql of [...SCHEMA, REPLICA_SCHEMA]) database.exec(sql)
    await client.query(ONE_STATE)
    database.exec('BEGIN')
    for (const table of [...TABLES, 'replica']) await copyTable(client, database, table)
    database.exec('COMMIT')
    await client.query('COMMIT')
    database.close()
  } catch (error) {
    database.close()
    rmSync(path, { force: true })
    throw error
  }
}

async function copyTable(client: PoolClient, to: DatabaseSync, table: string): Promise<void> {
  const { columns, keys } = shapeOf(to, table)
  const places = columns.map(() => '?').join()
  const insert = to.prepare(`INSERT INTO ${table} (${columns.join()}) VALUES (${places})`)
  const select = `SELECT ${columns.join()} FROM ${table}`
  const order = `ORDER BY ${keys.join()} LIMIT ${metadataLimits.storePage}`
  const after = `WHERE (${keys.join()}) > (${keys.map(() => '?').join()})`
  let last: Row | undefined
  do {
    const values: SQLInputValue[] = last === undefined ? [] : keys.map((key) => last![key]!)
    const text = numbered(`${select} ${last === undefined ? '' : after} ${order}`)
    const { rows } = await client.query<Row>(text, values)
    for (const row of rows) insert.run(...columns.map((column) => row[column]!))
    last = rows.length < metadataLimits.storePage ? undefined : rows.at(-1)
  } while (last !== undefined)
}

function shapeOf(database: DatabaseSync, table: string): { columns: string[]; keys: string[] } {
  const rows = database.prepare(`PRAGMA table_info(${table})`).all() as unknown as {
    name: string
    pk: number
  }[]
  const keys = rows.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk)
  return { columns: rows.map(({ name }) => name), keys: keys.map(({ name }) => name) }
}
