/**
 * The contract of what keeps a volume's names: runs rules as transactions. This is the synchronous
 * form that the mount's threads use.
 */
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { Rule } from './statement.ts'

export interface MetadataEngine {
  /** Other nodes change the volume too: what is here is a copy, kept current. */
  readonly isReplica: boolean
  /** Runs a rule that only reads; each of its statements sees the latest committed state. */
  read<T>(rule: Rule<T>): T
  /**
   * Runs an operation as one serializable transaction: all of it, or (if it throws) nothing. A
   * replica throws `Blocked` until the operation was run where the metadata is kept.
   */
  write<K extends OperationName>(name: K, ...args: OperationArgs<K>): OperationResult<K>
  /** The request that is being served was done before, and has to be answered only. */
  hasAnswered(): boolean
  /** Throws `Blocked` where what is here may be outdated. */
  requireCurrent(): void
  /** Everything written so far survives the loss of power. */
  sync(): void
  close(): void
}
