import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import { progressLines } from './progress-lines.ts'

test('silence is filled with the last line', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const gate = Promise.withResolvers<undefined>()
  async function* work(): AsyncGenerator<object> {
    yield { doneBytes: 1 }
    await gate.promise
    yield { doneBytes: 2, done: true }
  }
  const lines: string[] = []
  const all = Array.fromAsync(progressLines(work()), (line) => lines.push(line.trim()))
  for (let beat = 0; beat < 2; beat++) {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    mock.timers.tick(limits.apiHeartbeatMs)
  }
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  gate.resolve(undefined)
  await all
  mock.timers.reset()
  const same = '{"doneBytes":1}'
  assert.deepEqual(lines, [same, same, same, '{"doneBytes":2,"done":true}'])
})

test('a failure before the first line is thrown, after it is the last line', async () => {
  async function* work(lines: number): AsyncGenerator<object> {
    for (let i = 0; i < lines; i++) yield { doneFiles: i }
    throw new FsError('EIO', 'the cloud is away', { path: '/a' })
  }
  await assert.rejects(progressLines(work(0)).next(), { code: 'EIO' })
  const text = (await Array.fromAsync(progressLines(work(1)))).join('')
  const error = { code: 'EIO', message: 'EIO: the cloud is away', path: '/a' }
  assert.equal(text, `{"doneFiles":0}\n${JSON.stringify({ error })}\n`)
})
