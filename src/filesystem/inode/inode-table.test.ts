import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InodeTable } from './inode-table.ts'

const ROOT = 1

/** Enters a path as lookups of the kernel do, name by name. */
function look(table: InodeTable, path: string): number {
  const names = path.split('/').slice(1)
  let ino = ROOT
  for (const [at, name] of names.entries()) {
    const inode = table.enter(ino, name, at < names.length - 1 ? 'directory' : 'file')
    inode.lookups++
    ino = inode.ino
  }
  return ino
}

describe('InodeTable', () => {
  test('a name keeps its number when it or a parent directory is renamed', () => {
    const table = new InodeTable()
    const ino = look(table, '/a/b/c')
    assert.equal(look(table, '/a/b/c'), ino)
    table.move({ parent: ROOT, name: 'a' }, { parent: ROOT, name: 'z' })
    assert.equal(table.path(ino), '/z/b/c')
    const b = table.get(ino).parent?.ino ?? 0
    table.move({ parent: b, name: 'c' }, { parent: ROOT, name: 'c' })
    assert.equal(table.path(ino), '/c')
  })

  test('a number is never reused', () => {
    const table = new InodeTable()
    const seen = new Set<number>()
    for (let n = 0; n < 100; n++) {
      const ino = look(table, '/file')
      assert.ok(!seen.has(ino))
      seen.add(ino)
      table.remove(ROOT, 'file')
      assert.throws(() => table.path(ino), { code: 'ENOENT' })
      table.forget(ino, 1)
      assert.throws(() => table.path(ino), { code: 'ESTALE' })
    }
  })

  test('a file replaced by a rename, or by another kind, is another inode', () => {
    const table = new InodeTable()
    const [from, to] = [look(table, '/from'), look(table, '/to')]
    table.move({ parent: ROOT, name: 'from' }, { parent: ROOT, name: 'to' })
    assert.equal(look(table, '/to'), from)
    assert.throws(() => table.path(to), { code: 'ENOENT' })
    assert.notEqual(table.enter(ROOT, 'to', 'directory').ino, from)
  })

  test('a FORGET frees a number unless it is open or has entries below', () => {
    const table = new InodeTable()
    const files = Array.from({ length: 1000 }, (_, n) => look(table, `/folder/${n}`))
    const folder = table.find(ROOT, 'folder')
    assert.ok(folder)
    table.forget(folder.ino, folder.lookups)
    const open = table.get(files[0] ?? 0)
    open.uses++
    for (const ino of files) table.forget(ino, 1)
    assert.equal(table.size, 3)
    open.uses--
    table.release(open)
    assert.equal(table.size, 1, 'the root')
  })
})
