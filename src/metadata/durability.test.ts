import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../limits.ts'
import { copiesOf, parseDurability } from './durability.ts'

test('valid durability policies are parsed', () => {
  for (const [text, copies] of [
    ['local', 0],
    ['cloud', 0],
    ['peers=1', 1],
    [`peers=${limits.durabilityPeers}`, limits.durabilityPeers],
  ] as const) {
    assert.equal(parseDurability(text), text)
    assert.equal(copiesOf(text), copies)
  }
})

test('invalid durability policies are EINVAL', () => {
  const beyond = `peers=${limits.durabilityPeers + 1}`
  for (const text of ['', 'Cloud', 'cloud\n', 'peers', 'peers=', 'peers=0', 'peers=-1', beyond]) {
    assert.throws(() => parseDurability(text), { code: 'EINVAL' }, JSON.stringify(text))
  }
})
