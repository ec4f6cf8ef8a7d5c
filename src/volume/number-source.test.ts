import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalVolume } from '../../test/fixtures/local-volume.ts'
import { volumeLimits } from './limits.ts'
import { NumberSource } from './number-source.ts'

test('no number is handed out twice: by two threads, across blocks and a restart', async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-numbers-'))
  const seen = new Set<number>()
  let count = 0
  for (let start = 0; start < 2; start++) {
    using local = await LocalVolume.open(directory.path)
    const { engine } = local.thread
    const sources = [new NumberSource(engine), new NumberSource(engine)]
    for (let at = 0; at < volumeLimits.numberBlock + 10; at++) {
      for (const source of sources) seen.add(source.next('inode'))
      count += sources.length
    }
  }
  assert.equal(seen.size, count)
})

test('each counter has its own numbers', async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cachefs-numbers-'))
  using local = await LocalVolume.open(directory.path)
  const source = new NumberSource(local.thread.engine)
  const first = source.next('chunk')
  for (let at = 0; at < 5; at++) source.next('inode')
  assert.equal(source.next('chunk'), first + 1)
})
