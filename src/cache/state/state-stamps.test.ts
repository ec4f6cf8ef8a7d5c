/**
 * Stamps of the databases: after a crash at any step both are current, with or without the file,
 * and a copy from before the last but one renewal is older, also if only the main file was copied.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SharedMutex } from '../../base/async/shared-mutex.ts'
import { openDatabase } from '../../base/sqlite-database.ts'
import { StateStamps, findCopies, type DatabaseName } from './state-stamps.ts'

const NAMES = ['volume.db', 'node.db'] as const
const home = mkdtempSync(join(tmpdir(), 'cachefs-stamps-'))
/** Copies of the directory after each step; `round`: how many renewals were complete. */
const images: { path: string; round: number }[] = []
const ROUNDS = 4

before(() => {
  const directory = join(home, 'nvme')
  mkdirSync(directory)
  const open = (name: DatabaseName) => {
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    return { database: openDatabase(join(directory, name)), mutex }
  }
  const databases = { 'volume.db': open('volume.db'), 'node.db': open('node.db') }
  const users = NAMES.map((name) => openDatabase(join(directory, name)))
  for (const user of users) user.exec('CREATE TABLE t (x)')
  const stamps = new StateStamps(directory, databases)
  const look = (round: number): void => {
    const path = join(home, String(images.length))
    cpSync(directory, path, { recursive: true })
    images.push({ path, round })
  }
  for (const { database } of Object.values(databases)) {
    const prepare = database.prepare.bind(database)
    database.prepare = (sql, ...others) => {
      const statement = prepare(sql, ...others)
      const run = statement.run.bind(statement)
      statement.run = (...args: unknown[]) => {
        look(rounds)
        return run(...(args as never[]))
      }
      return statement
    }
  }
  let rounds = 0
  for (; rounds < ROUNDS; rounds++) {
    users[rounds % 2]!.exec('INSERT INTO t VALUES (1)')
    stamps.renew()
    look(rounds)
    for (const name of NAMES) {
      const { log, checkpointed } = databases[name].database
        .prepare('PRAGMA wal_checkpoint(PASSIVE)')
        .get()!
      if (log === checkpointed) stamps.noteBase(name)
      look(rounds)
    }
    stamps.publish()
  }
  look(rounds)
  for (const { database } of Object.values(databases)) database.close()
  for (const user of users) user.close()
})

after(() => rmSync(home, { recursive: true, force: true }))

/** The state of an image, with files of another one. */
function found(image: string, change: (directory: string) => void = () => undefined) {
  const directory = join(home, 'tried')
  rmSync(directory, { recursive: true, force: true })
  cpSync(image, directory, { recursive: true })
  change(directory)
  const { volume, node } = findCopies(directory)
  return { volume, node }
}

const CURRENT = { volume: 'current', node: 'current' }

test('after a crash at any step both databases are current', () => {
  assert.ok(images.length > 5 * ROUNDS, `${images.length} steps`)
  for (const { path } of images) {
    assert.deepEqual(found(path), CURRENT, path)
    assert.deepEqual(
      found(path, (directory) => rmSync(join(directory, 'stamp'), { force: true })),
      CURRENT,
    )
  }
})

test('nor does a damaged or foreign stamp file make them older', () => {
  const last = images.at(-1)!.path
  for (const text of ['', 'x', '{"seq":9}\n1\n', '\0'.repeat(512)]) {
    assert.deepEqual(
      found(last, (directory) => writeFileSync(join(directory, 'stamp'), text)),
      CURRENT,
    )
  }
})

for (const name of NAMES) {
  test(`an older ${name} is recognised, with its log, without, and with the newer log`, () => {
    const last = images.at(-1)!.path
    const kinds = { with: /^$/, without: /-(wal|shm)$/, newer: /-shm$/ }
    const wanted = { ...CURRENT, [name.replace('.db', '')]: 'older' }
    for (const { path, round } of images.filter((image) => image.round <= ROUNDS - 2)) {
      for (const [kind, removed] of Object.entries(kinds)) {
        const state = found(last, (directory) => {
          for (const file of readdirSync(directory)) {
            if (file.startsWith(name) && (kind === 'with' || removed.test(file)))
              rmSync(join(directory, file))
          }
          for (const file of readdirSync(path)) {
            const isMain = file === name
            if (isMain || (kind === 'with' && file.startsWith(name)))
              cpSync(join(path, file), join(directory, file))
          }
        })
        assert.deepEqual(state, wanted, `round ${round}, log: ${kind}`)
      }
    }
  })
}

test('a volume.db that is alone in a directory was moved there', () => {
  const last = images.at(-1)!.path
  const state = found(last, (directory) => {
    for (const file of readdirSync(directory)) {
      if (!file.startsWith('volume.db')) rmSync(join(directory, file))
    }
  })
  assert.deepEqual(state, { volume: 'moved', node: 'current' })
})
