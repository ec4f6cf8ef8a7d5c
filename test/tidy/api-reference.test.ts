/** docs/API.md must equal the text generated from the sources, and describe every class. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { API_FILE, apiReference } from '../../scripts/api-reference.ts'

test('the API reference is current, and has a word on every class', async () => {
  const written = readFileSync(API_FILE, 'utf8')
  assert.equal(written, await apiReference(), 'run `npm run docs` and commit docs/API.md')
  const bare = /^### (\w+)\n\n```ts\nclass /m.exec(written)
  assert.equal(bare, null, `${bare?.[1] ?? ''} has no docstring`)
})
