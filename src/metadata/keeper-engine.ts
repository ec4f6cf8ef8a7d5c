/**
 * The contract of what keeps a volume's names for many nodes: runs rules (statement.ts) as
 * transactions, one after the other, and answers when they are kept. Rules come as functions that
 * begin them: a transaction that lost its connection, or its place to another one, is run again
 * from its beginning, within bounds.
 */
import type { Rule } from './statement.ts'
import type { Totals } from './volume-rules.ts'

export interface KeeperEngine {
  /** A rule that only reads; each of its statements sees the latest committed state. */
  read<T>(begin: () => Rule<T>): Promise<T>
  /**
   * A rule as one serializable transaction: all of it, or (if it throws) nothing. They take effect
   * in the order in which they were asked for, and their promises settle in that order.
   */
  transact<T>(begin: () => Rule<T>): Promise<T>
  /** Of what was committed. */
  totals(): Promise<Totals>
  /** Writes a copy of one state to an SQLite file that does not exist yet. */
  copyTo(path: string): Promise<void>
  /** Everything that was acknowledged so far survives the loss of power. */
  sync(): Promise<void>
  /** What waits in a log goes into the database. */
  checkpoint(): void
  /** False: another coordinator may be changing it, and nothing may be answered from memory. */
  leads(): boolean
  close(): Promise<void>
}

/** The time in which this process keeps the names. */
export interface Turn {
  readonly engine: KeeperEngine
  /** Resolves when another keeps them. */
  readonly over: Promise<void>
  /** Another need not wait until this one is known to be gone; after the engine was closed. */
  resign(): Promise<void>
}

/** Where the names are, for one or several coordinators of which one keeps them at a time. */
export interface NamesSource {
  /** Others may have them: a turn can be long in coming, and end. */
  readonly isShared: boolean
  /** Who keeps them, as far as it is known; empty: nobody. */
  readonly keeperUrl: string
  next(signal: AbortSignal): Promise<Turn>
  close(): Promise<void>
}
