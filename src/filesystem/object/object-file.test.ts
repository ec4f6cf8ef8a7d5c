import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../limits.ts'
import { Stats } from '../stats.ts'
import { ObjectFile } from './object-file.ts'

/** A small object that records the sizes with which it is saved. */
function openObject(sizeBytes = 3): { file: ObjectFile; saved: number[] } {
  const saved: number[] = []
  const stats = new Stats({ kind: 'file', size: sizeBytes })
  async function* read(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('old')
  }
  const save = async (_: unknown, size: number): Promise<Stats> => {
    saved.push(size)
    return new Stats({ kind: 'file', size })
  }
  return { file: new ObjectFile({ stats, isEmpty: false, isWriter: true, read, save }), saved }
}

describe('ObjectFile', () => {
  test('is saved once, at close', async () => {
    const { file, saved } = openObject()
    await file.write(Buffer.from('new!'), 'end')
    await file.write(Buffer.from('X'), 0)
    await file.close()
    assert.deepEqual(saved, [7])
  })

  test('a write beyond the limit is EFBIG, also at close, and nothing is saved', async () => {
    const beyond = limits.objectSpoolBytes + 1
    for (const change of [
      (file: ObjectFile) => file.write(Buffer.from('!'), beyond),
      (file: ObjectFile) => file.truncate(beyond),
    ]) {
      const { file, saved } = openObject()
      await file.write(Buffer.from('part'), 0)
      await assert.rejects(change(file), { code: 'EFBIG' })
      await assert.rejects(file.close(), { code: 'EFBIG' })
      assert.deepEqual(saved, [])
    }
  })

  test('a large object can be read, but not changed in place', async () => {
    const { file, saved } = openObject(limits.objectSpoolBytes + 1)
    await assert.rejects(file.write(Buffer.from('!'), 0), { code: 'EFBIG' })
    assert.deepEqual(saved, [])
  })
})
