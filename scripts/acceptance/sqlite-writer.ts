/**
 * Writes to a database until it is killed: `node sqlite-writer.ts FILE MODE`. Prints the number of
 * each row after its transaction has committed.
 */
import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const [file = '', mode = ''] = process.argv.slice(2)
const database = new DatabaseSync(file)
database.exec(`PRAGMA journal_mode = ${mode}; PRAGMA synchronous = FULL`)
database.exec('CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, text TEXT, filler BLOB)')
database.exec('CREATE INDEX IF NOT EXISTS by_text ON row (text)')
const insert = database.prepare('INSERT INTO row (text, filler) VALUES (?, ?) RETURNING id')
for (let at = 0; ; at++) {
  database.exec('BEGIN')
  const row = insert.get(`text ${at}`, new Uint8Array(at % 5000)) as { id: number }
  if (at % 10 === 9) database.exec('DELETE FROM row WHERE id % 50 = 7')
  database.exec('COMMIT')
  writeSync(1, `${row.id}\n`)
}
