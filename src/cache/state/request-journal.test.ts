/** A daemon that was killed, and its successor to which the kernel resends requests. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { CurrentRequest } from '../../base/current-request.ts'
import { FIELDS, OpenInode } from './open-inode.ts'
import { JOURNAL_NUMBERS, RequestJournal, type Inheritance } from './request-journal.ts'

const INO = 42

class Daemon {
  readonly records = new Float64Array(JOURNAL_NUMBERS)
  readonly request = new CurrentRequest()
  readonly journal = new RequestJournal(this.records, this.request)

  /** The daemon after this one. */
  successor(inheritance: Partial<Inheritance> = {}): Daemon {
    const next = new Daemon()
    const all = { redo: () => undefined, isBegun: () => true, ...inheritance }
    RequestJournal.inherit(next.records, this.records, all)
    return next
  }
}

/** The daemon is killed when it stores the count. */
class DyingInode extends OpenInode {
  override get kernelUses(): number {
    return 3
  }
  override set kernelUses(_: number) {
    throw new Error('killed')
  }
}

let first: Daemon
beforeEach(() => {
  first = new Daemon()
})

function inodeWith(kernelUses: number): OpenInode {
  const open = new OpenInode(new Float64Array(FIELDS), 0)
  open.kernelUses = kernelUses
  return open
}

test('a resent open is not counted again', () => {
  const open = inodeWith(0)
  first.request.begin(7, false)
  first.journal.count(INO, open, 1)
  assert.equal(open.kernelUses, 1)
  const next = first.successor()
  next.request.begin(7, true)
  assert.equal(next.journal.counted(), 1)
  next.request.begin(8, true)
  assert.equal(next.journal.counted(), undefined, 'another request')
  next.request.begin(7, false)
  assert.equal(next.journal.counted(), undefined, 'a new request with this number')
})

test('an open that took its count back is counted again', () => {
  const open = inodeWith(0)
  first.request.begin(7, false)
  first.journal.count(INO, open, 1)
  first.journal.count(INO, open, -1)
  assert.equal(open.kernelUses, 0)
  const next = first.successor()
  next.request.begin(7, true)
  assert.equal(next.journal.counted(), undefined)
})

test('counts do not become negative', () => {
  const open = inodeWith(0)
  first.request.begin(7, false)
  first.journal.count(INO, open, -1)
  assert.equal(open.kernelUses, 0)
})

test('a successor stores a count that its predecessor was about to store', () => {
  const dying = new DyingInode(new Float64Array(FIELDS), 0)
  first.request.begin(7, false)
  assert.throws(() => first.journal.count(INO, dying, 1), /killed/)
  const redone: number[][] = []
  const redo = (...count: number[]) => redone.push(count)
  const next = first.successor({ redo })
  next.successor({ redo })
  assert.deepEqual(redone, [[INO, 4]], 'once')
})

test('a resent append has its first offset, if it had begun', () => {
  first.request.begin(7, false)
  first.journal.appending(INO, 1000)
  const asked: number[][] = []
  for (const isBegun of [true, false]) {
    const next = first.successor({
      isBegun: (...append) => {
        if (append[0] === INO) asked.push(append)
        return isBegun
      },
    })
    next.request.begin(7, true)
    assert.equal(next.journal.appended(), isBegun ? 1000 : undefined)
    if (isBegun) continue
    assert.deepEqual(asked[0], [INO, 1000])
  }
})

test('records outlive several daemons in a row', () => {
  first.request.begin(7, false)
  first.journal.appending(INO, 1000)
  const third = first.successor().successor().successor()
  third.request.begin(7, true)
  assert.equal(third.journal.appended(), 1000)
})
