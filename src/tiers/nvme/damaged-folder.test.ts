/** What `damaged/` takes, and what happens when it is full. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { tiersLimits } from '../limits.ts'
import { DamagedFolder } from './damaged-folder.ts'

let directory: string
let folder: DamagedFolder
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'cachefs-damaged-'))
  folder = new DamagedFolder(directory)
})
afterEach(() => fs.rmSync(directory, { recursive: true }))

function keep(name: string): string | undefined {
  return folder.keep(name, 5, (path) => fs.writeFileSync(path, 'bytes'))
}

function fill(): void {
  for (let at = folder.use().entries; at < tiersLimits.damagedEntries; at++) keep(`chunk-${at}`)
}

test('bytes and things are kept, and counted', () => {
  fs.mkdirSync(join(directory, 'thing', 'content'), { recursive: true })
  folder.quarantine(join(directory, 'thing'))
  assert.equal(keep('chunk'), join(folder.path, 'chunk'))
  assert.deepEqual(folder.use(), { entries: 2, bytes: 5, isFull: false })
  assert.equal(fs.existsSync(join(directory, 'thing')), false)
})

test('a full folder loses nothing that has content', () => {
  fs.mkdirSync(folder.path)
  fs.symlinkSync('/nowhere', join(folder.path, 'link'))
  fill()
  assert.equal(folder.use().isFull, true)
  // The link makes room once.
  assert.notEqual(keep('one more'), undefined)
  assert.equal(keep('two more'), undefined)
  const before = fs.readdirSync(folder.path)
  fs.symlinkSync('/nowhere', join(directory, 'link'))
  folder.quarantine(join(directory, 'link'))
  assert.equal(fs.lstatSync(join(directory, 'link'), { throwIfNoEntry: false }), undefined)
  fs.mkdirSync(join(directory, 'thing', 'content'), { recursive: true })
  const full = { code: 'EIO', message: /thing is not a file, and .*damaged is full/ }
  assert.throws(() => folder.quarantine(join(directory, 'thing')), full)
  assert.ok(fs.existsSync(join(directory, 'thing', 'content')))
  assert.deepEqual(fs.readdirSync(folder.path), before)
})

test('the bytes of its files are bounded', () => {
  const write = (path: string): void => fs.writeFileSync(path, '')
  assert.equal(folder.keep('chunk', tiersLimits.damagedBytes + 1, write), undefined)
  fs.mkdirSync(folder.path)
  fs.writeFileSync(join(folder.path, 'large'), '')
  fs.truncateSync(join(folder.path, 'large'), tiersLimits.damagedBytes)
  assert.equal(keep('chunk'), undefined)
})
