/**
 * Stamps, by which an older copy of a database is recognised. `volume.db` and `node.db` each carry
 * one, and the file `stamp` of the NVMe directory has the latest. The checkpoint thread renews them
 * about once a second while something changes, and after the last change before a clean stop.
 *
 * Invariants: a new stamp is on the disk in both databases before the file has it, and each
 * database also names the stamp that the file had before. So whenever the process or the machine
 * stops, a database has the stamp of the file or names it as the one before; an older copy does
 * neither.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  lstatSync,
  openSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { SharedMutex } from '../../base/async/shared-mutex.ts'
import { openPlainFile, readPlainFile } from '../../base/plain-file.ts'
import { makePrivateFile } from '../../base/private-folder.ts'

const FILE = 'stamp'
/** One write of this length never tears on a disk with blocks of 512 bytes or more. */
const FILE_BYTES = 512
const DATABASES = ['volume.db', 'node.db'] as const
export type DatabaseName = (typeof DATABASES)[number]

/** A connection to a database that several threads share. */
export interface SharedDatabase {
  database: DatabaseSync
  /** Orders the write transactions of all threads. */
  mutex: SharedMutex
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS stamp (
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, token TEXT NOT NULL, previous TEXT NOT NULL,
    made_ms INTEGER NOT NULL
  )`
const SELECT = 'SELECT seq, token, previous, made_ms AS madeMs FROM stamp WHERE id = 1'
const REPLACE = `INSERT OR REPLACE INTO stamp (id, seq, token, previous, made_ms)
  VALUES (1, ?, ?, ?, ?)`

export interface Stamp {
  /** Increases with each stamp of a directory. */
  seq: number
  token: string
  /** Token of the stamp that the file had before; empty: none is known. */
  previous: string
  madeMs: number
}

const stampSchema = z.object({
  seq: z.int(),
  token: z.string(),
  previous: z.string(),
  madeMs: z.int(),
}) satisfies z.ZodType<Stamp>

const fileSchema = z.object({
  seq: z.int(),
  token: z.string(),
  madeMs: z.int(),
  /** Number of a stamp that the main file of each database has, without its write-ahead log. */
  bases: z.object({ 'volume.db': z.int(), 'node.db': z.int() }),
})
type StampFile = z.infer<typeof fileSchema>

/** `older`: not the file that the node used last. `moved`: alone in a new directory. */
export type CopyState = 'current' | 'older' | 'moved'

export interface FoundCopies {
  volume: CopyState
  node: CopyState
  /** Identifies this finding in messages and answers. */
  code: string
  /** Time of the last change of `volume.db`, and of the node, as far as known, ms; 0: unknown. */
  volumeMs: number
  lastMs: number
}

/** Compares the databases of a directory that no process uses. Changes nothing. */
export function findCopies(directory: string): FoundCopies {
  const file = readStampFile(directory)
  const [volume, node] = DATABASES.map((name) => readStamp(join(directory, name)))
  const last = file ?? node?.stamp
  const code = crc32(`${volume?.stamp?.token ?? ''} ${last?.token ?? ''}`)
  return {
    volume: stateOfVolume(directory, file, volume, node),
    node: stateOfNode(file, volume, node),
    code: code.toString(16).padStart(8, '0'),
    volumeMs: volume?.stamp?.madeMs ?? 0,
    lastMs: last?.madeMs ?? 0,
  }
}

/** Stamp of a database that can be read, and the number of that in its main file. */
interface Read {
  stamp: Stamp | undefined
  baseSeq: number
}

function stateOfVolume(
  directory: string,
  file: StampFile | undefined,
  volume: Read | undefined,
  node: Read | undefined,
): CopyState {
  if (volume === undefined) return 'current'
  if (file) return isCurrent(volume, file, 'volume.db') ? 'current' : 'older'
  if (node?.stamp) return node.stamp.seq <= (volume.stamp?.seq ?? 0) ? 'current' : 'older'
  const isAlone = ['node.db', 'data'].every((name) => !existsSync(join(directory, name)))
  return volume.stamp !== undefined && isAlone ? 'moved' : 'current'
}

function stateOfNode(
  file: StampFile | undefined,
  volume: Read | undefined,
  node: Read | undefined,
): CopyState {
  if (node === undefined) return 'current'
  if (file) return isCurrent(node, file, 'node.db') ? 'current' : 'older'
  if (!node.stamp || !volume?.stamp || node.stamp.seq >= volume.stamp.seq) return 'current'
  return ['', node.stamp.token].includes(volume.stamp.previous) ? 'current' : 'older'
}

function isCurrent({ stamp, baseSeq }: Read, file: StampFile, name: DatabaseName): boolean {
  if (stamp === undefined || baseSeq < file.bases[name]) return false
  return stamp.token === file.token || stamp.previous === file.token
}

/** Undefined: there is no such database, or it is damaged, which its user reports. */
function readStamp(path: string): Read | undefined {
  // SQLite opens it for reading, which would wait for the writer of a pipe.
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  try {
    const stamp = stampIn(path)
    const hasLog = existsSync(`${path}-wal`)
    const baseSeq = (hasLog ? stampIn(path, { immutable: '1' }) : stamp)?.seq ?? 0
    return { stamp, baseSeq }
  } catch {
    return undefined
  }
}

/** `immutable`: without the write-ahead log (sqlite.org/uri.html). */
function stampIn(path: string, parameters: Record<string, string> = {}): Stamp | undefined {
  const url = pathToFileURL(path)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    const isThere = database.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'stamp'`).get()
    return isThere && stampSchema.optional().parse(database.prepare(SELECT).get())
  } finally {
    database.close()
  }
}

/** Undefined: there is none, or it is damaged. */
function readStampFile(directory: string): StampFile | undefined {
  try {
    const [text = '', crc] = readPlainFile(join(directory, FILE)).toString().split('\n')
    if (crc !== String(crc32(text))) return undefined
    return fileSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Renews the stamps. Used by one thread. */
export class StateStamps {
  readonly #directory: string
  readonly #databases: Record<DatabaseName, SharedDatabase>
  readonly #bases = { 'volume.db': 0, 'node.db': 0 }
  /** Number of the stamp that each database has. */
  readonly #written = { 'volume.db': 0, 'node.db': 0 }
  readonly #versions = new Map<DatabaseName, unknown>()
  #seq = 0
  /** Token that the file has, or `volume.db` if there is no file. */
  #last = ''
  #next: Stamp | undefined

  constructor(directory: string, databases: Record<DatabaseName, SharedDatabase>) {
    this.#directory = directory
    this.#databases = databases
    for (const name of DATABASES) {
      databases[name].mutex.with(0, () => databases[name].database.exec(SCHEMA))
      const read = readStamp(join(directory, name))
      this.#written[name] = read?.stamp?.seq ?? 0
      this.#seq = Math.max(this.#seq, this.#written[name])
      this.#bases[name] = read?.baseSeq ?? 0
      if (name === 'volume.db') this.#last = read?.stamp?.token ?? ''
    }
    const file = readStampFile(directory)
    if (file === undefined) return
    this.#seq = Math.max(this.#seq, file.seq)
    this.#last = file.token
  }

  /**
   * Writes a new stamp into both databases if one has changed since the last. Checkpoint them next,
   * then call `publish`.
   */
  renew(): void {
    if (DATABASES.every((name) => this.#version(name) === this.#versions.get(name))) return
    this.#next = undefined
    this.#seq += 1
    const [token, madeMs] = [randomBytes(8).toString('hex'), Date.now()]
    for (const name of DATABASES) {
      const { database, mutex } = this.#databases[name]
      const version = this.#version(name)
      const stamp = [this.#seq, token, this.#last, madeMs] as const
      mutex.with(0, () => database.prepare(REPLACE).run(...stamp))
      this.#versions.set(name, version)
      this.#written[name] = this.#seq
    }
    this.#next = { seq: this.#seq, token, previous: this.#last, madeMs }
  }

  /**
   * Call when the main file of a database has all that its write-ahead log had. SQLite does not
   * sync the main file at a checkpoint during which another connection has written.
   */
  noteBase(name: DatabaseName): void {
    if (this.#bases[name] === this.#written[name]) return
    syncFile(join(this.#directory, name))
    this.#bases[name] = this.#written[name]
  }

  /** Writes the new stamp, if there is one, into the file. */
  publish(): void {
    if (this.#next === undefined) return
    const { seq, token, madeMs } = this.#next
    for (const name of DATABASES) syncFile(join(this.#directory, `${name}-wal`))
    const text = JSON.stringify({ seq, token, madeMs, bases: this.#bases } satisfies StampFile)
    writeWhole(join(this.#directory, FILE), `${text}\n${crc32(text)}\n`.padEnd(FILE_BYTES))
    this.#last = token
    this.#next = undefined
  }

  /** Changes when another connection has committed. */
  #version(name: DatabaseName): unknown {
    return this.#databases[name].database.prepare('PRAGMA data_version').get()?.['data_version']
  }
}

function syncFile(path: string): void {
  if (!existsSync(path)) return
  const fd = openSync(path, 'r')
  try {
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Replaces the content of a file in place, so that no directory has to be synced. */
function writeWhole(path: string, text: string): void {
  makePrivateFile(path)
  const fd = openPlainFile(path, constants.O_WRONLY)
  try {
    writeSync(fd, text, 0)
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
