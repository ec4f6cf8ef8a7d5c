/**
 * Databases of a node that are older copies: a start refuses older names until they are accepted,
 * and fills an older `node.db` again. No content appears as that of another version or file, and no
 * number is used twice.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'

const SIZE = 150_000
const FLAGS = ['-chunk-size', '64K']

/** State of a node and its cloud, with a backup of its databases from before the last changes. */
interface Scene {
  folder: string
  texts: Map<string, string>
  inodes: Set<number>
}

const scenes = new Map<string, Scene>()
const shelf = new ClientHome()
after(() => shelf[Symbol.dispose]())

/** Files that are the same since the backup, made, changed, uploaded, or waiting for upload. */
async function prepare(end: 'stopped' | 'killed'): Promise<Scene> {
  using home = new ClientHome()
  const folder = join(shelf.directory, end)
  const texts = new Map<string, string>()
  const write = (name: string, letter: string): void => {
    fs.writeFileSync(join(home.mount, name), letter.repeat(SIZE))
    texts.set(name, letter)
  }
  let client = await ClientProcess.start(home, { flags: FLAGS })
  for (const name of ['same', 'changed', 'overwritten']) write(name, 'a')
  await client.act('wait', '/')
  refuseUploads(home)
  write('uploaded since', 'a')
  assert.equal(await client.stop(), 0)
  takeUploads(home)
  fs.cpSync(home.nvme, join(folder, 'older'), { recursive: true })
  client = await ClientProcess.start(home, { flags: FLAGS })
  await client.act('wait', '/')
  write('changed', 'b')
  write('new', 'b')
  await client.act('wait', '/')
  refuseUploads(home)
  write('overwritten', 'b')
  write('pending', 'b')
  const inodes = fs.readdirSync(home.mount).map((name) => fs.statSync(join(home.mount, name)).ino)
  if (end === 'stopped') assert.equal(await client.stop(), 0)
  else await client.kill()
  takeUploads(home)
  for (const name of ['nvme', 'cloud'] as const) {
    fs.cpSync(home[name], join(folder, name), { recursive: true })
  }
  const scene = { folder, texts, inodes: new Set(inodes) }
  scenes.set(end, scene)
  return scene
}

/** The scene in the folders of a node, with databases from the backup. */
async function sceneIn(home: ClientHome, end: 'stopped' | 'killed', ...restored: string[]) {
  const scene = scenes.get(end) ?? (await prepare(end))
  for (const name of ['nvme', 'cloud'] as const) {
    fs.cpSync(join(scene.folder, name), home[name], { recursive: true, preserveTimestamps: true })
  }
  for (const name of restored) restore(home, scene, name)
  return scene
}

/** As an operator does: without the log of the database. */
function restore({ nvme }: ClientHome, { folder }: Scene, name: string, from = 'older'): void {
  fs.cpSync(join(folder, from, name), join(nvme, name))
}

function refuseUploads({ cloud }: ClientHome): void {
  fs.renameSync(join(cloud, 'chunks'), join(cloud, 'chunks-away'))
  fs.writeFileSync(join(cloud, 'chunks'), '')
}

function takeUploads({ cloud }: ClientHome): void {
  fs.rmSync(join(cloud, 'chunks'))
  fs.renameSync(join(cloud, 'chunks-away'), join(cloud, 'chunks'))
}

/** Letter of which a file consists; an errno if it cannot be read. */
function letterOf(home: ClientHome, name: string): string {
  try {
    const text = fs.readFileSync(join(home.mount, name), 'utf8')
    assert.equal(text, text[0]?.repeat(SIZE), name)
    return text[0]!
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return code
  }
}

async function refusalOf(home: ClientHome): Promise<string> {
  const { code, stderr } = await ClientProcess.run(home, { flags: FLAGS })
  assert.equal(code, 1, stderr)
  assert.match(stderr, /volume\.db .* is older than .* Put the newer volume\.db back/)
  return /-accept-older-names (\w+)/.exec(stderr)![1]!
}

function objectsOf({ cloud }: ClientHome): Map<string, Buffer> {
  const chunks = join(cloud, 'chunks')
  const names = fs.readdirSync(chunks, { recursive: true, encoding: 'utf8' })
  const objects = names.filter((name) => fs.statSync(join(chunks, name)).isFile())
  return new Map(objects.map((name) => [name, fs.readFileSync(join(chunks, name))]))
}

/** All content that was moved to `conflicts/`, by letter and name of the file. */
function conflictsOf({ nvme }: ClientHome): string[] {
  const folder = join(nvme, 'conflicts')
  return fs.readdirSync(folder).map((name) => {
    const text = fs.readFileSync(join(folder, name), 'utf8')
    assert.equal(text, text[0]?.repeat(SIZE), name)
    return `${text[0]} ${name.split('-').slice(2).join('-')}`
  })
}

async function checkAllRight(home: ClientHome, { texts }: Scene): Promise<void> {
  const client = await ClientProcess.start(home, { flags: FLAGS })
  for (const [name, letter] of texts) assert.equal(letterOf(home, name), letter, name)
  await client.act('wait', '/')
  await client.act('evict', '/')
  for (const [name, letter] of texts) assert.equal(letterOf(home, name), letter, `${name}, evicted`)
  assert.equal(await client.stop(), 0)
}

for (const end of ['stopped', 'killed'] as const) {
  test(`an older volume.db is refused, and nothing was changed: ${end}`, async () => {
    using home = new ClientHome()
    const scene = await sceneIn(home, end, 'volume.db')
    await refusalOf(home)
    for (const name of fs.readdirSync(join(scene.folder, 'nvme'))) {
      if (name.startsWith('volume.db')) restore(home, scene, name, 'nvme')
    }
    await checkAllRight(home, scene)
  })
}

test('older names that are accepted: nothing appears as another version or file', async () => {
  using home = new ClientHome()
  const scene = await sceneIn(home, 'stopped', 'volume.db')
  const before = objectsOf(home)
  const accepting = [...FLAGS, '-accept-older-names', await refusalOf(home)]
  const wrong = await ClientProcess.run(home, { flags: [...FLAGS, '-accept-older-names', '1'] })
  assert.equal(wrong.code, 1)
  let client = await ClientProcess.start(home, { flags: accepting })
  for (let start = 0; start < 2; start++) {
    const names = ['changed', 'overwritten', 'same', 'uploaded since']
    assert.deepEqual(fs.readdirSync(home.mount).sort(), names)
    // If their content was deleted from the cloud since the backup: EIO.
    const letters = names.map((name) => letterOf(home, name))
    assert.match(letters.join(), /^(a|EIO),(a|EIO),a,a$/)
    const conflicts = ['b changed', 'b overwritten', 'b unnamed', 'b unnamed']
    assert.deepEqual(conflictsOf(home).sort(), conflicts)
    await client.act('wait', '/')
    assert.equal(await client.stop(), 0)
    client = await ClientProcess.start(home, { flags: accepting })
  }
  for (let at = 0; at < 3; at++) {
    fs.writeFileSync(join(home.mount, `later ${at}`), 'c')
    const { ino } = fs.statSync(join(home.mount, `later ${at}`))
    assert.ok(!scene.inodes.has(ino), `the number of later ${at} was used before`)
  }
  await client.act('wait', '/')
  for (const [name, data] of objectsOf(home)) {
    if (before.has(name)) assert.ok(data.equals(before.get(name)!), `${name} was overwritten`)
  }
  assert.equal(await client.stop(), 0)
  // A flag that stays in a script accepts no other backup.
  restore(home, scene, 'volume.db')
  assert.equal((await ClientProcess.run(home, { flags: accepting })).code, 1)
})

test('an older node.db is filled again', async () => {
  using home = new ClientHome()
  const scene = await sceneIn(home, 'stopped', 'node.db')
  await checkAllRight(home, scene)
  const kept = fs.readdirSync(home.nvme).filter((name) => /^node\.db\.older-\d+$/.test(name))
  assert.equal(kept.length, 1)
})

test('an older node.db after a kill: what was not committed is kept, and named', async () => {
  using home = new ClientHome()
  const { texts } = await sceneIn(home, 'killed', 'node.db')
  const client = await ClientProcess.start(home, { flags: FLAGS })
  for (const [name, letter] of texts) {
    const found = letterOf(home, name)
    if (found === letter) continue
    assert.ok(conflictsOf(home).includes(`${letter} ${name}`), `${name} is ${found}`)
    assert.match(client.log.join(''), new RegExp(`/${name}: .* kept in .*conflicts/`))
  }
  await client.act('wait', '/')
  assert.equal(await client.stop(), 0)
})

test('both databases from a backup: content without a name is kept', async () => {
  using home = new ClientHome()
  await sceneIn(home, 'stopped', 'volume.db', 'node.db')
  const flags = [...FLAGS, '-accept-older-names', await refusalOf(home)]
  const client = await ClientProcess.start(home, { flags })
  const letters = ['changed', 'overwritten', 'same', 'uploaded since'].map((name) =>
    letterOf(home, name),
  )
  assert.match(letters.join(), /^(a|EIO),(a|EIO),a,a$/)
  const [kept] = fs.readdirSync(join(home.nvme, 'conflicts'))
  assert.match(kept!, /^data-/)
  assert.equal(await client.stop(), 0)
})
