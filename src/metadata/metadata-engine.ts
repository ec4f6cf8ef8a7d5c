/**
 * Contract of the metadata store of a volume in its synchronous form, which the threads of the
 * mount use: runs rules as transactions.
 */
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { Rule } from './statement.ts'

export interface MetadataEngine {
  /** True if other nodes change the volume too and this is a replica. */
  readonly isReplica: boolean
  /** Runs a read-only rule; each of its statements sees the latest committed state. */
  read<T>(rule: Rule<T>): T
  /**
   * Runs an operation as one serializable transaction: all of it or, if it throws, nothing. A
   * replica throws `Suspended` until the coordinator has run the operation.
   */
  write<K extends OperationName>(name: K, ...args: OperationArgs<K>): OperationResult<K>
  /** Whether the current request was executed before and needs only its reply. */
  hasAnswered(): boolean
  /** Throws `Suspended` if the replica may be outdated. */
  requireCurrent(): void
  /** Makes everything written so far survive a power failure. */
  sync(): void
  close(): void
}
