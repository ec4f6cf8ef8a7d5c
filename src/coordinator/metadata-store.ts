/**
 * The metadata of a volume where it is kept: runs operations as transactions, and writes each
 * change, with who asked for it and what came of it, into a log in the same transaction. The log is
 * what nodes get that were away; and an operation that is sent again, because its answer was lost,
 * is answered from it instead of being run twice.
 */
import { randomUUID } from 'node:crypto'
import { decode, encode } from '@msgpack/msgpack'
import { now } from '../base/clock.ts'
import { SharedMutex } from '../base/shared-mutex.ts'
import { limits } from '../limits.ts'
import { listOrphans } from '../metadata/chunk-rules.ts'
import { copyState, setCopyState, type Change, type CopyState } from '../metadata/change.ts'
import { effectsOf } from '../metadata/effects.ts'
import {
  ruleOf,
  type OperationArgs,
  type OperationName,
  type OperationResult,
} from '../metadata/operations.ts'
import { LOG_SCHEMA, REPLICA_SCHEMA, SCHEMA } from '../metadata/schema.ts'
import { SqliteEngine } from '../metadata/sqlite/sqlite-engine.ts'
import { change, many, one, type Call, type Rule } from '../metadata/statement.ts'
import { totals } from '../metadata/volume-rules.ts'

/** Who asked: a process of a node, and its number of the operation. */
export interface Asker {
  peer: string
  session: string
  operation: number
}

export interface Performed {
  value: unknown
  /** Undefined where nothing changed. */
  change: Change | undefined
}

interface LogEntry {
  change: Change
  value: unknown
}

const insertLog = change('INSERT INTO log (seq, session, operation, change) VALUES (?, ?, ?, ?)')
const selectLog = many<{ change: Uint8Array }>(
  'SELECT change FROM log WHERE seq > ? ORDER BY seq LIMIT ?',
)
const selectDone = one<{ change: Uint8Array }>(
  'SELECT change FROM log WHERE session = ? AND operation = ?',
)
const selectFirst = one<{ seq: number }>('SELECT seq FROM log ORDER BY seq LIMIT 1')
const selectSessions = many<{ token: string }>('SELECT token FROM session WHERE ? = 1')
const insertSession = change(
  'INSERT INTO session (token) VALUES (?) ON CONFLICT (token) DO NOTHING',
)
const deleteSession = change('DELETE FROM session WHERE token = ?')
const trimLog = change('DELETE FROM log WHERE seq <= ?')

export class MetadataStore {
  readonly #engine: SqliteEngine
  readonly #store: string
  #seq: number
  readonly #self = randomUUID()
  #ownOperations = 0

  private constructor(engine: SqliteEngine, { store, seq }: CopyState) {
    this.#engine = engine
    this.#store = store
    this.#seq = seq
  }

  static open(path: string): MetadataStore {
    const engine = new SqliteEngine(path, new SharedMutex(new Int32Array(new SharedArrayBuffer(4))))
    try {
      for (const sql of [...SCHEMA, REPLICA_SCHEMA, ...LOG_SCHEMA]) engine.execute(sql)
      let state = engine.read(copyState())
      if (state.store === '') {
        state = { store: randomUUID(), seq: 0 }
        engine.transact(setCopyState(state))
        engine.write('createRoot', now())
      }
      return new MetadataStore(engine, state)
    } catch (error) {
      engine.close()
      throw error
    }
  }

  /** Names this store: a copy of another one is of no use. */
  get store(): string {
    return this.#store
  }

  /** The last change. */
  get seq(): number {
    return this.#seq
  }

  perform<K extends OperationName>(asker: Asker, name: K, args: OperationArgs<K>): Performed {
    const seq = this.#seq + 1
    const done = this.#engine.recorded(ruleOf(name, args), (value, calls) => {
      return this.#log(seq, asker, { name, args, value, calls })
    })
    if (done.change) this.#seq = seq
    if (seq % limits.changeLogTrim === 0) this.#trim()
    return done
  }

  /** An operation of the coordinator itself. */
  performOwn<K extends OperationName>(name: K, args: OperationArgs<K>): Performed {
    this.#ownOperations += 1
    const asker = { peer: '', session: this.#self, operation: this.#ownOperations }
    return this.perform(asker, name, args)
  }

  *#log<K extends OperationName>(
    seq: number,
    { peer, session, operation }: Asker,
    done: {
      name: K
      args: OperationArgs<K>
      value: OperationResult<K>
      calls: readonly Call[]
    },
  ): Rule<Performed> {
    const { name, args, value } = done
    if (done.calls.length === 0) return { value, change: undefined }
    const calls = done.calls.map((call) => [call.statement.key, ...call.args] as const)
    const made: Change = { seq, origin: peer, calls, effects: effectsOf(name, args, value) }
    const entry = encode({ change: made, value } satisfies LogEntry, { ignoreUndefined: true })
    yield* insertLog(seq, session, operation, entry)
    yield* setCopyState({ store: this.#store, seq })
    return { value, change: made }
  }

  /** What came of an operation that was run before. */
  find(session: string, operation: number): Performed | undefined {
    const row = this.#engine.read(selectDone(session, operation))
    return row && (decode(row.change) as LogEntry)
  }

  /** Whether the log has everything after a change. */
  reaches(seq: number): boolean {
    if (seq === this.#seq) return true
    const first = this.#engine.read(selectFirst())?.seq ?? Infinity
    return seq < this.#seq && seq >= first - 1
  }

  /** Changes after one, in order, a page. */
  changesAfter(seq: number): Change[] {
    const rows = this.#engine.read(selectLog(seq, limits.linkWindow))
    return rows.map((row) => (decode(row.change) as LogEntry).change)
  }

  /** Inodes without a name, a page. */
  orphansAfter(ino: number): number[] {
    return this.#engine.read(listOrphans(ino, limits.trashBatch))
  }

  /** Processes of nodes that may believe their copies. */
  sessions(): string[] {
    return this.#engine.read(selectSessions(1)).map((row) => row.token)
  }

  addSession(token: string): void {
    this.#engine.transact(insertSession(token))
  }

  removeSession(token: string): void {
    this.#engine.transact(deleteSession(token))
  }

  read<T>(rule: Rule<T>): T {
    return this.#engine.read(rule)
  }

  totals(): { files: number; bytes: number } {
    return this.#engine.read(totals())
  }

  /** Writes a copy to a file that does not exist yet. */
  copyTo(path: string): void {
    this.#engine.copyTo(path)
  }

  /** Everything so far survives the loss of power. */
  sync(): void {
    this.#engine.sync()
  }

  /** What the log has goes into the database. */
  checkpoint(): void {
    this.#engine.execute('PRAGMA wal_checkpoint(PASSIVE)')
  }

  close(): void {
    this.#engine.close()
  }

  #trim(): void {
    this.#engine.transact(trimLog(this.#seq - limits.changeLogEntries))
  }
}
