/**
 * The contracts between a node and the coordinator of its volume: `CoordinatorLink` is what the
 * node calls, `LinkedNode` is what the coordinator's messages call on the node.
 * `coordinator/link/node-link.ts` implements `CoordinatorLink` over the network.
 */
import type { OperationName, OperationResult } from '../../metadata/operations.ts'
import type { RequestIdentity } from '../../base/current-request.ts'
import type { ReplicaDomains } from './replica-domains.ts'
import type { Change, CopyHistory } from '../../metadata/change.ts'

export interface PerformOptions {
  signal?: AbortSignal | undefined
  /**
   * Identity under which an earlier process may have sent the request; the coordinator runs it
   * once.
   */
  once?: RequestIdentity | undefined
}

export interface CoordinatorLink {
  /** Id of this node in the list of peers and in the holders of chunks. */
  readonly peerId: string
  /**
   * Connects, and reconnects until `close`; resolves when the node's copy of the metadata is
   * current.
   */
  open(node: LinkedNode): Promise<void>
  /** Runs an operation on the coordinator; resolves when every node has applied its changes. */
  perform<K extends OperationName>(
    name: K,
    args: readonly unknown[],
    how?: PerformOptions,
  ): Promise<OperationResult<K>>
  /** Resolves when everything so far survives a power failure of the coordinator. */
  sync(signal?: AbortSignal): Promise<void>
  /**
   * Resolves when this node has the write lease of an inode; `LinkedNode.leased` is called first.
   */
  lease(ino: number, signal?: AbortSignal): Promise<void>
  /**
   * Announces that programs here are about to open an inode for writing; returns whether no other
   * node has it open for writing. Do not call `written` for the inode before this is answered.
   */
  writing(ino: number): Promise<boolean>
  /** Reports that no program here has these inodes open for writing any more. */
  written(inos: readonly number[]): void
  /** Returns the write leases of these inodes. */
  giveBack(inos: readonly number[]): void
  /** Reports that no program here has these orphans open any more. */
  closed(inos: readonly number[]): void
  /** Resolves when the metadata lease is valid; ETIMEDOUT if that takes too long. */
  trusted(signal?: AbortSignal): Promise<void>
  /** Whether this node does the work that one node does for all, such as deleting trash. */
  readonly isFirst: boolean
  close(): Promise<void>
}

/** Calls are made one at a time, in the order of the coordinator's messages. */
export interface LinkedNode {
  state(): CopyHistory
  /** Undefined: the node follows every change, and has no domain exclusively. */
  readonly domains?: ReplicaDomains | undefined
  /** Whether programs use the copy; before, it can be replaced by that of another history. */
  readonly isInUse: boolean
  /**
   * Replaces the copy of the metadata by the database file at `path`. `isAhead`: it has changes
   * that the other one lacks, and is kept.
   */
  takeOver(path: string, isAhead: boolean): Promise<void>
  /** Applies changes; resolves when no operation here sees the state before them any more. */
  apply(store: string, changes: readonly Change[]): Promise<void>
  /** The inodes that lost their last name by these changes and are open here. */
  heldOf(changes: readonly Change[]): number[]
  /** Extends the metadata lease until `untilMs`, ms of the monotonic clock. */
  trust(untilMs: number): void
  /**
   * Grants a write lease. `mayMap` is given if the inode was created here and is listed as open for
   * writing; true: no other node has it open for writing.
   */
  leased(ino: number, mayMap?: boolean): void
  /** Another node requests the write lease of the inode. */
  recalled(ino: number): void
  leases(): number[]
  /** Inodes that this node has announced as open for writing. */
  writing(): number[]
  held(): number[]
}
