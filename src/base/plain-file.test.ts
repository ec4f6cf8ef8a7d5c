/** Only plain files are opened, and nothing else makes the caller wait. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadPlainFile, openPlainFile, readPlainFile } from './plain-file.ts'

const directory = fs.mkdtempSync(join(tmpdir(), 'cachefs-plain-'))
const server = createServer()
before(async () => {
  fs.writeFileSync(join(directory, 'file'), 'content')
  fs.mkdirSync(join(directory, 'folder'))
  fs.symlinkSync('file', join(directory, 'link'))
  execFileSync('mkfifo', [join(directory, 'pipe')])
  await once(server.listen(join(directory, 'socket')), 'listening')
})
after(() => {
  server.close()
  fs.rmSync(directory, { recursive: true })
})

test('a plain file is read', async () => {
  assert.equal(readPlainFile(join(directory, 'file')).toString(), 'content')
  assert.equal((await loadPlainFile(join(directory, 'file'))).toString(), 'content')
  assert.throws(() => readPlainFile(join(directory, 'none')), { code: 'ENOENT' })
})

for (const name of ['folder', 'link', 'pipe', 'socket']) {
  test(`a ${name} is refused by its path`, async () => {
    const path = join(directory, name)
    const refusal = { code: 'EIO', message: `EIO: ${path} is not a file: remove it` }
    assert.throws(() => openPlainFile(path, fs.constants.O_RDONLY), refusal)
    assert.throws(() => openPlainFile(path, fs.constants.O_WRONLY), refusal)
    await assert.rejects(loadPlainFile(path), refusal)
  })
}
