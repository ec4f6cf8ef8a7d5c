import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../base/fs-error.ts'
import { hedgedRead, type Source } from './hedged-read.ts'

/** A source that responds only when the test settles `answer`, and records events. */
class Scripted implements Source<string> {
  readonly answer = Promise.withResolvers<string>()
  readonly asked = Promise.withResolvers<undefined>()
  readonly events: string[] = []
  readonly patienceMs: number

  constructor(patienceMs = Infinity) {
    this.patienceMs = patienceMs
  }

  read(signal: AbortSignal): Promise<string> {
    this.events.push('asked')
    this.asked.resolve(undefined)
    signal.addEventListener('abort', () => {
      this.events.push('aborted')
      this.answer.reject(new FsError('ECANCELED', 'aborted'))
    })
    return this.answer.promise
  }
  onFailure(error: unknown): void {
    this.events.push(`failed ${String((error as { code?: unknown }).code)}`)
  }
  onLost(): void {
    this.events.push('lost')
  }
}

test('if the first source succeeds, no other is read', async () => {
  const [first, second] = [new Scripted(60_000), new Scripted()]
  first.answer.resolve('first')
  assert.equal(await hedgedRead([first, second]), 'first')
  assert.deepEqual([first.events, second.events], [['asked'], []])
})

test('after a failure the next source is read at once', async () => {
  const [first, second, third] = [new Scripted(60_000), new Scripted(60_000), new Scripted()]
  first.answer.reject(new FsError('EIO', 'broken'))
  second.answer.reject(new FsError('ENOENT', 'not there'))
  third.answer.resolve('third')
  assert.equal(await hedgedRead([first, second, third]), 'third')
  assert.deepEqual(first.events, ['asked', 'failed EIO'])
  assert.deepEqual(second.events, ['asked', 'failed ENOENT'])
})

test('a slow source is raced; the first success wins and the other is aborted', async () => {
  const [slow, quick] = [new Scripted(1), new Scripted()]
  const result = hedgedRead([slow, quick])
  await quick.asked.promise
  assert.deepEqual(slow.events, ['asked'])
  quick.answer.resolve('quick')
  assert.equal(await result, 'quick')
  assert.deepEqual(slow.events, ['asked', 'lost', 'aborted'])
  assert.deepEqual(quick.events, ['asked'])
})

test('the slow source may still win', async () => {
  const [slow, second] = [new Scripted(1), new Scripted()]
  const result = hedgedRead([slow, second])
  await second.asked.promise
  slow.answer.resolve('slow')
  assert.equal(await result, 'slow')
  assert.deepEqual(second.events, ['asked', 'lost', 'aborted'])
})

test('at most two reads are active', async () => {
  const sources = [new Scripted(1), new Scripted(1), new Scripted()] as const
  const result = hedgedRead(sources)
  await sources[1].asked.promise
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(sources[2].events, [])
  sources[0].answer.reject(new FsError('EIO', 'broken'))
  await sources[2].asked.promise
  sources[2].answer.resolve('third')
  assert.equal(await result, 'third')
})

test('if all sources fail, the error is that of the last failure', async () => {
  const [first, second] = [new Scripted(), new Scripted()]
  first.answer.reject(new FsError('EIO', 'first'))
  second.answer.reject(new FsError('ETIMEDOUT', 'second'))
  await assert.rejects(hedgedRead([first, second]), { code: 'ETIMEDOUT' })
  await assert.rejects(hedgedRead([]), { code: 'EIO' })
})

test('an abort ends the race and the active reads', async () => {
  const [first, second] = [new Scripted(60_000), new Scripted()]
  const controller = new AbortController()
  const result = hedgedRead([first, second], controller.signal)
  await first.asked.promise
  controller.abort()
  await assert.rejects(result, { code: 'ECANCELED' })
  assert.deepEqual([first.events, second.events], [['asked', 'aborted'], []])
  await assert.rejects(hedgedRead([first], controller.signal), { code: 'ECANCELED' })
})

test('a source that throws synchronously fails like any other', async () => {
  const second = new Scripted()
  second.answer.resolve('second')
  const broken: Source<string> = {
    patienceMs: Infinity,
    read: () => {
      throw new FsError('EINVAL', 'no such peer')
    },
  }
  assert.equal(await hedgedRead([broken, second]), 'second')
})
