import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DIRTY, FIELDS, FLAGS, FRESH, COMMITTING, OpenInode, stateIn } from './open-inode.ts'
import { afterEvent, type WriteEvent, type WriteState } from './write-state.ts'

const DIRTY_STATES: readonly WriteState[] = ['new-written', 'dirty', 'rewritten']

/** The life of an inode: each event, and the state after it. */
const LIVES: [WriteEvent, WriteState][][] = [
  [
    ['create', 'new'],
    ['write', 'new-written'],
    ['write', 'new-written'],
    ['journal', 'committing'],
    ['confirm', 'committed'],
    ['write', 'dirty'],
  ],
  [
    ['create', 'new'],
    ['write', 'new-written'],
    ['record', 'dirty'],
    ['journal', 'committing'],
    ['refuse', 'dirty'],
    ['journal', 'committing'],
    ['write', 'rewritten'],
    ['confirm', 'dirty'],
    ['discard', 'committed'],
  ],
  [
    ['resume', 'committing'],
    ['write', 'rewritten'],
    ['journal', 'committing'],
    ['journal', 'committing'],
    ['discard', 'committed'],
    ['confirm', 'committed'],
  ],
  [
    ['create', 'new'],
    ['record', 'committed'],
  ],
]

test('an open inode follows the events of its life', () => {
  for (const life of LIVES) {
    const open = new OpenInode(new Float64Array(FIELDS), 0)
    assert.equal(open.writeState, 'committed')
    for (const [event, state] of life) {
      open.follow(event)
      assert.equal(open.writeState, state, event)
      assert.equal(open.dirty, DIRTY_STATES.includes(state))
    }
  }
})

test('an event that cannot happen in a state is refused', () => {
  assert.throws(() => afterEvent('committed', 'journal'), /committed cannot journal/)
  assert.throws(() => afterEvent('new', 'journal'), /new cannot journal/)
  assert.throws(() => afterEvent('dirty', 'create'), /dirty cannot create/)
})

test('a table with flags that are no state is refused', () => {
  assert.equal(stateIn(DIRTY | FRESH), 'new-written')
  assert.throws(() => stateIn(FRESH | COMMITTING), /no write state/)
})

test('the other flags of an inode keep their values', () => {
  const entries = new Float64Array(FIELDS)
  const open = new OpenInode(entries, 0)
  open.mapped = true
  open.leased = true
  const before = entries[FLAGS]
  open.follow('write')
  open.followWriters('begin')
  open.followWriters('outlive')
  assert.deepEqual([open.writers, open.mapped, open.leased], ['outlived', true, true])
  open.follow('discard')
  open.followWriters('end')
  assert.equal(entries[FLAGS], before)
})
