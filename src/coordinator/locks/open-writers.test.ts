import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../../test/fixtures/random.ts'
import { OpenWriters } from './open-writers.ts'

const INO = 7

test('who comes first is alone, and who comes later when the first has left', async () => {
  const writers = new OpenWriters()
  const [one, two] = [{}, {}]
  assert.ok(writers.add(INO, one))
  assert.ok(writers.add(INO, one), 'asked again')
  assert.ok(writers.add(INO + 1, two), 'another file')
  assert.equal(writers.add(INO, two), false)
  const waits = writers.alone(INO)
  writers.remove(INO, one)
  assert.ok(await waits)
  assert.equal(writers.add(INO, one), false)
  assert.equal(await writers.alone(INO), false, 'nobody leaves')
  writers.drop(two)
  assert.ok(writers.add(INO, one))
})

test('what a node says on a new connection is all that it has open', () => {
  const writers = new OpenWriters()
  const [one, two] = [{}, {}]
  writers.add(INO, one)
  writers.resume(one, [INO + 1])
  assert.ok(writers.add(INO, two))
  assert.equal(writers.add(INO + 1, two), false)
})

test('at most one node may map a file, whatever they do', (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  const writers = new OpenWriters()
  const nodes = [{ maps: false }, { maps: false }, { maps: false }]
  for (let step = 0; step < 10_000; step++) {
    const node = nodes[random.below(nodes.length)]!
    switch (random.below(4)) {
      case 0:
      case 1:
        // The answer holds as long as the node has the file open.
        if (writers.add(INO, node)) node.maps = true
        break
      case 2:
        writers.remove(INO, node)
        node.maps = false
        break
      default:
        // The node reconnects, or has left.
        if (random.below(2) === 0) writers.resume(node, [INO])
        else {
          writers.drop(node)
          node.maps = false
        }
    }
    assert.ok(nodes.filter(({ maps }) => maps).length <= 1, `step ${step}`)
  }
})
