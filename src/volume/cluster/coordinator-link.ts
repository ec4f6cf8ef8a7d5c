/**
 * What a node needs of the coordinator that keeps its volume's metadata, and what the coordinator
 * may ask of the node. `coordinator/link/node-link.ts` implements the first over the network.
 */
import type { RequestIdentity } from '../../base/current-request.ts'
import type { Change, CopyState } from '../../metadata/change.ts'

export interface PerformOptions {
  signal?: AbortSignal | undefined
  /** Under which it may have been asked for by an earlier process: it is run once. */
  once?: RequestIdentity | undefined
}

export interface CoordinatorLink {
  /** Id of this node, as peers and chunks name it. */
  readonly peerId: string
  /** Connects for good; resolves when the node's copy of the metadata is current. */
  open(node: LinkedNode): Promise<void>
  /** Runs an operation there; resolves when every node has applied what it changed. */
  perform(name: string, args: readonly unknown[], how?: PerformOptions): Promise<unknown>
  /** Everything so far survives the loss of power there. */
  sync(signal?: AbortSignal): Promise<void>
  /** Until no other node may write an inode; `LinkedNode.leased` is called first. */
  lease(ino: number, signal?: AbortSignal): Promise<void>
  /**
   * Programs here are about to open an inode for writing: whether no other node has it open so.
   * Nobody may take it back with `written` before this is answered.
   */
  writing(ino: number): Promise<boolean>
  /** Nobody here has these inodes open for writing any more. */
  written(inos: readonly number[]): void
  /** Others may write these inodes. */
  giveBack(inos: readonly number[]): void
  /** Nobody here has these inodes without a name open any more. */
  closed(inos: readonly number[]): void
  /** Resolves while the copy may be believed; ETIMEDOUT where that takes too long. */
  trusted(signal?: AbortSignal): Promise<void>
  /** Whether this node is the one that does what one node has to do for all. */
  readonly isFirst: boolean
  close(): Promise<void>
}

/** All of it is called one after the other, in the order in which the coordinator spoke. */
export interface LinkedNode {
  state(): CopyState
  /** Replaces the copy by a whole one, a database file. */
  takeOver(path: string): void
  /** Applies changes; resolves when nothing here remembers what was before them. */
  apply(store: string, changes: readonly Change[]): Promise<void>
  /** Which of the inodes that lost their last name by these changes are open here. */
  heldOf(changes: readonly Change[]): number[]
  /** The copy may be believed until then, ms of the monotonic clock. */
  trust(untilMs: number): void
  /** `mayMap`: it was made here, and is known to be open for writing; true: nowhere else. */
  leased(ino: number, mayMap?: boolean): void
  /** Another node wants to write the inode. */
  recalled(ino: number): void
  leases(): number[]
  /** Inodes that are known to be open for writing here. */
  writing(): number[]
  held(): number[]
}
