/**
 * Contract of the metadata store of a coordinator: runs rules (statement.ts) as transactions, one
 * after the other, and resolves when they are committed. Rules are passed as functions that start
 * them: a transaction that lost its connection, or a conflict with another one, is run again from
 * its start, within bounds.
 */
import type { Rule } from './statement.ts'
import type { Totals } from './volume-rules.ts'

export interface StoreEngine {
  /** Runs a read-only rule; each of its statements sees the latest committed state. */
  read<T>(begin: () => Rule<T>): Promise<T>
  /**
   * Runs a rule as one serializable transaction: all of it or, if it throws, nothing. Transactions
   * take effect in the order of the calls, and their promises settle in that order.
   */
  transact<T>(begin: () => Rule<T>): Promise<T>
  /** Totals of the committed state. */
  totals(): Promise<Totals>
  /** Writes a consistent copy to a new SQLite file. */
  copyTo(path: string): Promise<void>
  /** Makes everything acknowledged so far survive a power failure. */
  sync(): Promise<void>
  /** Writes the log of the database back into its main file. */
  checkpoint(): void
  /** False if another coordinator may lead; then nothing may be answered from memory. */
  leads(): boolean
  close(): Promise<void>
}

/** The term in which this process is the metadata coordinator. */
export interface LeaderTerm {
  readonly engine: StoreEngine
  /** Resolves when another coordinator leads. */
  readonly over: Promise<void>
  /** Lets a successor take over without delay; call after closing the engine. */
  resign(): Promise<void>
}

/** Damage of the file of a store, or its loss. */
export interface StoreDamage {
  path: string
  since: Date
}

/** A metadata store for one or several coordinators, of which one leads at a time. */
export interface MetadataSource {
  /** Several coordinators may use the store: a term may be long in coming, and it may end. */
  readonly isShared: boolean
  /** URL of the leading coordinator as far as known; empty: none. */
  readonly leaderUrl: string
  /** The file in which damage was found; undefined: none so far. */
  readonly damage?: StoreDamage | undefined
  /** The file in whose place another one is now, or none; undefined: it is there. */
  readonly replaced?: StoreDamage | undefined
  next(signal: AbortSignal): Promise<LeaderTerm>
  close(): Promise<void>
}
