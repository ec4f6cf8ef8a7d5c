/**
 * Creates millions of names in the database of a node, by the rules that the mount uses, many per
 * transaction. A home with more files starts as a copy of one with fewer.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { now } from '../../src/base/clock.ts'
import { SharedMutex } from '../../src/base/async/shared-mutex.ts'
import { S_IFDIR, S_IFREG } from '../../src/metadata/inode-rules.ts'
import { create } from '../../src/metadata/namespace-rules.ts'
import { SqliteEngine } from '../../src/metadata/sqlite/sqlite-engine.ts'
import type { Rule } from '../../src/metadata/statement.ts'
import { reserveNumbers } from '../../src/metadata/volume-rules.ts'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'

const DIRECTORY_FILES = 1_000_000
const TRANSACTION_FILES = 10_000
const ROOT = 1

/** Path of file number `at`, relative to the mount. */
export function placeOf(at: number): string {
  return join(`d${Math.floor(at / DIRECTORY_FILES)}`, `file-${at}`)
}

/** Number of files in the first directory if there are `files` in total. */
export function firstDirectoryFiles(files: number): number {
  return Math.min(files, DIRECTORY_FILES)
}

export class VolumeFiller {
  /** Inodes of the directories. */
  readonly #directories: number[] = []
  #last: { home: ClientHome; files: number } | undefined

  /** Returns a home with this number of files; must be called with increasing numbers. */
  async home(files: number): Promise<ClientHome> {
    const home = new ClientHome()
    process.on('exit', () => home[Symbol.dispose]())
    if (this.#last === undefined) await (await ClientProcess.start(home)).stop()
    else cpSync(this.#last.home.directory, home.directory, { recursive: true })
    this.#fill(join(home.nvme, 'volume.db'), this.#last?.files ?? 0, files)
    this.#last = { home, files }
    return home
  }

  #fill(path: string, from: number, to: number): void {
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    const engine = new SqliteEngine(path, mutex)
    for (let at = from; at < to; at += TRANSACTION_FILES) {
      const which = Math.floor(at / DIRECTORY_FILES)
      this.#directories[which] ??= engine.transact(made(ROOT, `d${which}`, S_IFDIR))
      engine.transact(page(this.#directories[which], at, Math.min(TRANSACTION_FILES, to - at)))
      engine.execute('PRAGMA wal_checkpoint(PASSIVE)')
    }
    engine.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    engine.close()
  }
}

/** Creates an inode with a name, as the mount would. */
function* made(parent: number, name: string, type: number): Rule<number> {
  const ino = yield* reserveNumbers('inode', 1)
  const seq = yield* reserveNumbers('entry', 1)
  const wanted = { ino, seq, mode: type | 0o755, uid: 0, gid: 0, rdev: 0, target: null }
  yield* create(parent, Buffer.from(name), wanted, now())
  return ino
}

function* page(parent: number, first: number, count: number): Rule<void> {
  for (let at = first; at < first + count; at++) yield* made(parent, `file-${at}`, S_IFREG)
}
