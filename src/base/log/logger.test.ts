import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { FsError } from '../fs-error.ts'
import { LOG_LEVELS, configureLogging, loggerOf } from './logger.ts'

let lines: string[] = []

beforeEach(() => {
  lines = []
  configureLogging({ level: 'info', format: 'line', write: (line) => lines.push(line) })
})
afterEach(() => configureLogging({ level: 'silent' }))

test('a record is one plain line with the subsystem in the message', () => {
  loggerOf('CACHE').info({ files: 12, dir: '/nvme', name: 'a b' }, 'evicted')
  assert.match(
    lines[0] ?? '',
    /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO \[CACHE\] evicted files=12 dir=\/nvme name="a b"\n$/,
  )
})

test('a subsystem has one logger; a level change applies to all loggers', () => {
  const logger = loggerOf('FUSE')
  assert.equal(loggerOf('FUSE'), logger)
  logger.debug('not yet')
  configureLogging({ level: 'debug' })
  logger.debug('now')
  assert.equal(lines.length, 1)
  assert.ok(LOG_LEVELS.includes(logger.level as 'debug'))
})

test('secrets are redacted at the top level and two levels down', () => {
  const options = { apiKey: 'hunter2', s3: { secretAccessKey: 'hunter2' }, key: 'chunks/1' }
  const headers = { 'x-api-key': 'hunter2', authorization: 'hunter2' }
  loggerOf('CLIENT').info({ ...options, req: { headers }, headers }, 'started')
  assert.doesNotMatch(lines[0] ?? '', /hunter2/)
  assert.match(lines[0] ?? '', /key=chunks\/1/)
})

test('an error is logged as its message and causes, without properties added by an SDK', () => {
  const cause = Object.assign(new Error('refused'), { $response: { authorization: 'hunter2' } })
  const error = new FsError('EIO', 'cannot write chunks/1', { cause })
  loggerOf('CACHE').warn({ err: error }, 'upload failed')
  loggerOf('CACHE').error({ err: error }, 'upload failed')
  loggerOf('CACHE').error({ err: new TypeError('no function') }, 'upload failed')
  assert.match(lines[0] ?? '', /upload failed: EIO: cannot write chunks\/1: refused\n$/)
  assert.match(lines[1] ?? '', /chunks\/1: refused\n$/, 'an expected error has no stack')
  assert.match(lines[2] ?? '', /no function\n +at /, 'a programming error has a stack')
  assert.doesNotMatch(lines.join(''), /hunter2/)
})

test('a line break in a name does not forge a log line', () => {
  loggerOf('API').info({ path: '/a\n2026 ERROR forged' }, 'read a\nb\u001b[31m')
  assert.equal(lines.join('').split('\n').length, 2)
  assert.doesNotMatch(lines[0] ?? '', /\u001b/)
})

test('the json format is one object per line', () => {
  configureLogging({ format: 'json' })
  loggerOf('COORDINATOR').info({ peers: 3 }, 'registered')
  const record = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.equal(record['msg'], '[COORDINATOR] registered')
  assert.equal(record['peers'], 3)
})
