/**
 * The statements that a coordinator sends to nodes, by name. Nodes and coordinators of two releases
 * run side by side during an upgrade, so a name means the same in both.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import '../../src/coordinator/metadata-store.ts'
import '../../src/metadata/operations.ts'
import { namedStatements } from '../../src/metadata/statement.ts'

const RECORD = new URL('./replicated-statements.json', import.meta.url)

test('the text of a named statement never changes', () => {
  const recorded = JSON.parse(readFileSync(RECORD, 'utf8')) as Record<string, string>
  const now = Object.fromEntries([...namedStatements()].map(([name, sql]) => [name, plain(sql)]))
  const hint =
    'a changed statement needs a new name, and the old one stays for nodes of the last release; ' +
    'a new one is added to test/contracts/replicated-statements.json'
  assert.deepEqual(now, recorded, hint)
})

/** Line breaks and indentation are free. */
function plain(sql: string): string {
  return sql.replaceAll(/\s+/g, ' ').trim()
}
