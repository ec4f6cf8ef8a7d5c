import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownerOf } from './rendezvous.ts'
import { shuffled } from './shuffle.ts'

const IDS = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5']
const KEYS = Array.from({ length: 2000 }, (_, at) => `${at % 100}/${Math.floor(at / 100)}`)

test('without nodes there is no owner', () => {
  assert.equal(ownerOf('1/0', []), undefined)
  assert.equal(ownerOf('1/0', ['only']), 'only')
})

test('the order of the nodes does not matter', () => {
  for (const key of KEYS.slice(0, 100)) {
    assert.equal(ownerOf(key, shuffled(IDS)), ownerOf(key, IDS))
  }
})

test('keys spread evenly', () => {
  const counts = new Map<string | undefined, number>()
  for (const key of KEYS) counts.set(ownerOf(key, IDS), (counts.get(ownerOf(key, IDS)) ?? 0) + 1)
  for (const id of IDS) {
    const share = counts.get(id) ?? 0
    assert.ok(share > 300 && share < 500, `${id}: ${share} of ${KEYS.length}`)
  }
})

test('when a node leaves, only its keys move, and not all to one', () => {
  const rest = IDS.filter((id) => id !== 'node-3')
  const heirs = new Set<string | undefined>()
  for (const key of KEYS) {
    const before = ownerOf(key, IDS)
    const after = ownerOf(key, rest)
    if (before === 'node-3') heirs.add(after)
    else assert.equal(after, before)
  }
  assert.deepEqual([...heirs].sort(), rest)
})

test('a shuffle keeps all items and produces every order', () => {
  const seen = new Set<string>()
  for (let at = 0; at < 1000 && seen.size < 6; at++) {
    const order = shuffled(['a', 'b', 'c'])
    assert.deepEqual(order.toSorted(), ['a', 'b', 'c'])
    seen.add(order.join(''))
  }
  assert.equal(seen.size, 6)
})
