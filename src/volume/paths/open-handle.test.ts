import assert from 'node:assert/strict'
import { test } from 'node:test'
import { O_APPEND, O_RDWR, O_WRONLY } from '../../base/open-bits.ts'
import { DIRECT, FIELDS, OPEN, OpenInode } from '../../cache/state/open-inode.ts'
import { handleOf, isDirect, isDirectOpen, isOfEpoch, mayWrite } from './open-handle.ts'

const O_RDONLY = 0
const NUMBERS = [0, 1, 2 ** 32 - 1]
const EPOCHS = [0, 1, 1023, 1024, 5000]

test('a handle has everything that its open was', () => {
  const handles = new Set<number>()
  for (const number of NUMBERS) {
    for (const epoch of EPOCHS.slice(0, 3)) {
      for (const flags of [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND]) {
        for (const direct of [false, true]) {
          const handle = handleOf(flags, { epoch, isDirect: direct }, number)
          assert.ok(Number.isSafeInteger(handle))
          assert.deepEqual([mayWrite(handle), isDirect(handle)], [flags !== O_RDONLY, direct])
          assert.deepEqual(
            EPOCHS.map((other) => isOfEpoch(handle, other)),
            EPOCHS.map((other) => other % 1024 === epoch),
          )
          handles.add(handle)
        }
      }
    }
  }
  // All kinds of writing are one.
  assert.equal(handles.size, NUMBERS.length * 3 * 2 * 2, 'opens differ by number')
})

const ALONE = { isShared: false, directMaps: true, mustCache: () => false }

interface State {
  opens?: number
  mayMap?: boolean
  outlived?: boolean
}

/** An inode of which the kernel has `opens` counted. */
function inode({ opens = 0, mayMap = true, outlived = false }: State): OpenInode {
  const open = new OpenInode(new Float64Array(FIELDS), 0)
  open.kernelUses = opens
  open.mayMap = mayMap
  if (outlived) open.followWriters('outlive')
  assert.equal(open.outlived, outlived)
  return open
}

function direct(flags: number, state: State = {}, facts: Partial<typeof ALONE> = {}): boolean {
  return isDirectOpen(flags, inode(state), { ...ALONE, ...facts })
}

test('only writers bypass the page cache, unless the file is in it already', () => {
  assert.deepEqual(
    [O_RDONLY, O_RDWR, O_WRONLY].map((flags) => direct(flags)),
    [false, false, true],
  )
  assert.equal(direct(O_WRONLY, { opens: OPEN }), false)
  assert.equal(direct(O_WRONLY, { opens: OPEN + DIRECT }), true)
  assert.equal(direct(O_WRONLY, {}, { mustCache: () => true }), false)
})

test('later opens follow the mode of the first one where mappings allow it', () => {
  const first = { opens: OPEN + DIRECT }
  assert.equal(direct(O_RDONLY, first), true)
  assert.equal(direct(O_RDONLY, first, { directMaps: false }), false)
  assert.equal(direct(O_RDONLY, { outlived: true }), true)
  assert.equal(direct(O_RDONLY, { outlived: true }, { directMaps: false }), false)
})

test('in a cluster, appends and files that must not be mapped bypass the page cache', () => {
  const shared = { isShared: true }
  assert.equal(direct(O_RDWR | O_APPEND, { opens: OPEN }, shared), true)
  assert.equal(direct(O_RDWR | O_APPEND, { opens: OPEN }), false)
  assert.equal(direct(O_RDWR, { mayMap: false }, shared), true)
  assert.equal(direct(O_RDONLY, { mayMap: false }, shared), false)
  assert.equal(direct(O_RDWR, { mayMap: true }, shared), false)
})
