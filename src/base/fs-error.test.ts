import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError, describe, isExpected } from './fs-error.ts'

const system = (code: string, text: string): Error => Object.assign(new Error(text), { code })

test('a message does not repeat what its causes repeat', () => {
  const refused = system('EACCES', "EACCES: permission denied, open '/a/b'")
  for (const [error, text] of [
    [new FsError('EACCES', "permission denied, scandir '/a'", { cause: refused }), undefined],
    [new FsError('EIO', 'reading failed: ' + refused.message, { cause: refused }), undefined],
    [new FsError('EIO', 'no room', { cause: new FsError('EIO', 'no room') }), 'EIO: no room'],
    [
      new FsError('EACCES', '/a/b cannot be read', { cause: refused }),
      "EACCES: /a/b cannot be read: permission denied, open '/a/b'",
    ],
    [
      new FsError('EIO', 'it failed', { cause: new FsError('EIO', 'why', { cause: refused }) }),
      "EIO: it failed: why: EACCES: permission denied, open '/a/b'",
    ],
    [new Error('plain', { cause: 'a text' }), 'plain: a text'],
    [new Error(''), ''],
    [undefined, ''],
  ] as [Error | undefined, string | undefined][]) {
    assert.equal(describe(error), text ?? error?.message)
  }
})

test('errors of the machine or of a user are expected, programming errors are not', () => {
  assert.ok(isExpected(new FsError('ENOSPC', 'full')))
  assert.ok(isExpected(system('ECONNREFUSED', 'refused')))
  assert.ok(!isExpected(new TypeError('undefined is not a function')))
  assert.ok(!isExpected(system('ERR_INVALID_ARG_TYPE', 'wrong')))
})
