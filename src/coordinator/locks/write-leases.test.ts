import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WriteLeases, type LeaseHolder } from './write-leases.ts'

const INO = 7

/** A node that returns recalled leases, at once or when the test asks for it. */
class Node implements LeaseHolder {
  readonly recalled: number[] = []
  readonly #leases: WriteLeases
  readonly #isPrompt: boolean

  constructor(leases: WriteLeases, isPrompt = true) {
    this.#leases = leases
    this.#isPrompt = isPrompt
  }

  recall(ino: number): void {
    this.recalled.push(ino)
    if (this.#isPrompt) this.giveBack(ino)
  }

  giveBack(ino: number): void {
    this.#leases.giveBack(ino, this)
  }
}

const settled = (): Promise<void> => Promise.resolve()

test('who made a file is offered it, unless another has it already', async () => {
  const leases = new WriteLeases()
  const [maker, other] = [new Node(leases), new Node(leases)]
  assert.ok(leases.offer(INO, maker))
  assert.ok(leases.offer(INO, maker), 'asked again')
  await leases.acquire(INO, other, settled)
  assert.deepEqual(maker.recalled, [INO])
  assert.equal(leases.offer(INO, maker), false)
  assert.deepEqual(other.recalled, [])
  assert.throws(() => leases.requireNoOther(INO, maker), { code: 'ESTALE' })
})

test('what is offered while another is about to get it is called back first', async () => {
  const leases = new WriteLeases()
  const [maker, other] = [new Node(leases, false), new Node(leases)]
  const settling = Promise.withResolvers<undefined>()
  let isOther = false
  const acquiring = leases
    .acquire(INO, other, () => settling.promise)
    .then(() => {
      isOther = true
    })
  await new Promise(setImmediate)
  assert.ok(leases.offer(INO, maker))
  settling.resolve(undefined)
  while (maker.recalled.length === 0) await new Promise(setImmediate)
  assert.equal(isOther, false)
  leases.requireNoOther(INO, maker)
  assert.equal(leases.offer(INO, maker), false, 'it is wanted elsewhere')
  maker.giveBack(INO)
  await acquiring
  leases.requireNoOther(INO, other)
  assert.throws(() => leases.requireNoOther(INO, maker), { code: 'ESTALE' })
})
