import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatSize, parseSize } from './size.ts'

test('a size is a number with a unit of 1024', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['4096', 4096],
    ['1k', 1024],
    ['1 KiB', 1024],
    ['1.5MB', 1.5 * 2 ** 20],
    ['7b', 7],
  ] as const) {
    assert.equal(parseSize(text), bytes, text)
  }
  assert.equal(parseSize('3', 'M'), 3 * 2 ** 20)
  assert.equal(parseSize('3B', 'M'), 3)
  for (const text of ['', '-1', '1X', '1e3', 'G', '1 2', '9999999P']) {
    assert.throws(() => parseSize(text), { name: 'UsageError' }, text)
  }
})

test('people see up to three digits', () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 10 * 2 ** 20, 999 * 2 ** 30, 2 ** 40].map(formatSize), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KB',
    '1.5 KB',
    '10 MB',
    '999 GB',
    '1.0 TB',
  ])
})
