/** Tests how texts that may contain secrets are displayed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutPasswords } from './secret-text.ts'

test('a URL is shown without its password and query', () => {
  const cases = {
    'postgres://u:p@host/db': 'postgres://u@host/db',
    '--store=postgres://u:p@x:y@host/db?password=p': '--store=postgres://u@host/db',
    'https://host/path?sig=token': 'https://host/path',
    'https://u@host/a:b@c': 'https://u@host/a:b@c',
    '/folder/a:b@c?d': '/folder/a:b@c?d',
  }
  for (const [text, shown] of Object.entries(cases)) assert.equal(withoutPasswords(text), shown)
})
