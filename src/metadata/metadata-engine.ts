/**
 * The contract of what keeps a volume's names: runs rules as transactions. This is the synchronous
 * form that the mount's threads use with the embedded database.
 */
import type { Rule } from './statement.ts'

export interface MetadataEngine {
  /** Runs a rule that only reads; each of its statements sees the latest committed state. */
  read<T>(rule: Rule<T>): T
  /** Runs a rule as one serializable transaction: all of it, or (if it throws) nothing. */
  write<T>(rule: Rule<T>): T
  /** Everything written so far survives the loss of power. */
  sync(): void
  close(): void
}
