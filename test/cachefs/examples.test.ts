/** The examples run and print the expected output. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const OUTPUT = {
  'quick-start.ts': 'hello\nhello\ndone\ntrue true 0\n',
  'over-http.ts': '1,2,3\n4,5,6\n\n',
}

for (const [name, expected] of Object.entries(OUTPUT)) {
  test(`examples/${name}`, async () => {
    const file = join(import.meta.dirname, '../../examples', name)
    const { stdout } = await promisify(execFile)(process.execPath, [file])
    assert.equal(stdout, expected)
  })
}
