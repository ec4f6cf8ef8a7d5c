/**
 * The protocol between nodes and the coordinator: messages in MessagePack over one WebSocket, with
 * many requests in progress at once and answers by number. Messages are plain data. Received
 * messages are decoded within bounds, and a node is trusted only with what it has proved.
 */
import { encode } from '@msgpack/msgpack'
import type { RequestIdentity } from '../../base/current-request.ts'
import type { LockRequest } from '../../volume/locks/lock-service.ts'
import type {
  AwayPeer,
  PeerRegistration,
  PeerReport,
  PeerStatus,
} from '../../tiers/peers/peer-status.ts'
import type { Change } from '../../metadata/change.ts'
import { S_IFMT, S_IFREG, type InodeRow } from '../../metadata/inode-rules.ts'
import type { OperationArgs } from '../../metadata/operations.ts'
import type { OutboxEntry } from '../../metadata/outbox-rules.ts'
import type { HeldLock } from '../../base/file-lock.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'

/** Path of the WebSocket on the coordinator's API. */
export const LINK_PATH = '/api/link'
/** Path of a whole copy of the metadata on the coordinator's API. */
export const SNAPSHOT_PATH = '/api/metadata/snapshot'
/** Version of the protocol; it must be the same on both sides. */
export const LINK_VERSION = 8

export interface Hello {
  kind: 'hello'
  protocol: number
  /** Its URL is empty while the node cannot serve yet. */
  peer: PeerRegistration
  /** The node's public key, and its signature (link-door.ts). */
  key: string
  proof: Uint8Array
  /** Identifies this process of the node. */
  session: string
  store: string
  /** Number of the last change in the node's copy, and the term in which it was made. */
  seq: number
  term: string
  /** Inodes of which the node has the write lease. */
  leases: number[]
  /** Inodes that programs on the node have open for writing. */
  writing: number[]
  /** Orphans that programs on the node have open. */
  held: number[]
  /** File locks of processes on the node. */
  locks: HeldLock[]
  /** Whether the node drops domains on request; if not, it follows every change. */
  drops: boolean
  /** Domains that the node has exclusively, as far as it was told. */
  exclusive: number[]
}

/** Messages of a node; one with an `id` is answered by a `result`. */
export type NodeMessage =
  | Hello
  | {
      kind: 'operation'
      id: number
      name: string
      args: unknown[]
      /** Identifies the request in place of its number on this connection. */
      once?: RequestIdentity | undefined
    }
  | { kind: 'sync'; id: number }
  | { kind: 'lease'; id: number; ino: number }
  /** The node has the inode open for writing; the answer is whether no other node has. */
  | { kind: 'writing'; id: number; ino: number }
  /** The node does not have these inodes open for writing any more. */
  | { kind: 'written'; inos: number[] }
  | { kind: 'lock'; id: number; condition: LockRequest }
  /** Cancels the wait of the request with that number, which is answered all the same. */
  | { kind: 'cancel'; id: number }
  /** Everything up to `seq` is applied; `held`: inodes orphaned by it that are open on the node. */
  | { kind: 'applied'; seq: number; held: number[] }
  /** `at`: the node's clock, returned in the answer. */
  | { kind: 'renew'; at: number }
  /** Returns the write leases of these inodes. */
  | { kind: 'returned'; inos: number[] }
  /** The node does not have these orphans open any more. */
  | { kind: 'closed'; inos: number[] }
  /** The node needs a domain that it has dropped; the value is whether it may rely on it now. */
  | { kind: 'want'; id: number; domain: number }
  /** Answer to `drop`. `used`: domains in use, on which the node continues to rely. */
  | { kind: 'dropped'; request: number; used: number[] }
  /** The node has dropped these domains, which it had in use. */
  | { kind: 'unused'; domains: number[] }
  /**
   * Operations from the node's outbox, in order; they are answered by the change that they make.
   * `isLate`: they were run in an earlier session.
   */
  | { kind: 'outbox'; run: string; entries: OutboxMessageEntry[]; isLate: boolean }
  /** Gives back exclusive domains; what the node did there was sent before. */
  | { kind: 'returnedDomains'; domains: number[] }
  /** URL at which other nodes can reach this node from now on. */
  | { kind: 'reachable'; url: string }
  /** The node has stopped, so nothing need wait for it. */
  | { kind: 'bye' }
  | { kind: 'status'; report: Partial<PeerReport> }

export type OutboxMessageEntry = Omit<OutboxEntry, 'run' | 'name'> & { name: string }

export type CoordinatorMessage =
  /** The first message, answered by a hello. `nowMs`: the coordinator's clock. */
  | { kind: 'challenge'; nonce: Uint8Array; nowMs: number }
  /**
   * `snapshot`: the node's copy is useless; it fetches a whole one and sends hello again.
   * `isAhead`: its copy has changes that the coordinator lacks. `isResumed`: its session goes on,
   * with the domains that are exclusive to it.
   */
  | {
      kind: 'welcome'
      store: string
      seq: number
      snapshot: boolean
      isAhead: boolean
      isResumed: boolean
      ttlMs: number
    }
  | { kind: 'refused'; error: WireError }
  | { kind: 'changes'; changes: Change[] }
  /**
   * `leased`: an inode whose write lease the node has from here on. `mayMap`: given if the node
   * created the inode, which is then registered as open for writing; true: by no other node.
   * `exclusive`: domains that are exclusive to the node from here on.
   */
  | {
      kind: 'result'
      id: number
      value?: unknown
      leased?: number | undefined
      mayMap?: boolean | undefined
      exclusive?: readonly number[] | undefined
      error?: WireError
    }
  | { kind: 'renewed'; at: number }
  | { kind: 'recall'; ino: number }
  /** The node must not rely on these domains. 0: drop them in any case, and do not answer. */
  | { kind: 'drop'; request: number; domains: number[] }
  /** Another node needs these domains. */
  | { kind: 'recallDomains'; domains: number[] }
  /** Locks that the node claimed, and that other nodes have by now. */
  | { kind: 'lost'; locks: HeldLock[] }
  /** Nodes that came or changed, and those that left; `whole`: replaces all earlier lists. */
  | { kind: 'peers'; whole: boolean; peers: PeerStatus[]; away: AwayPeer[] }

export interface WireError {
  code: string
  message: string
}

/** Files whose content an operation replaces; the node needs their write leases. */
export function filesCommitted(name: string, args: readonly unknown[]): number[] {
  if (name === 'commitContent') return [args[0] as number]
  if (name !== 'commitContents') return []
  return (args as OperationArgs<'commitContents'>)[0].map(({ ino }) => ino)
}

/** The file that a request is to write, or has created: the node may be granted its lease. */
export function fileToLease(request: NodeMessage, value: unknown): number | undefined {
  if (request.kind === 'lease') return request.ino
  const name = request.kind === 'operation' ? request.name : undefined
  if (name !== 'create' && name !== 'createOrphan') return undefined
  const { ino, mode } = value as InodeRow
  return (mode & S_IFMT) === S_IFREG ? ino : undefined
}

export function toWire(message: NodeMessage | CoordinatorMessage): Uint8Array {
  return encode(message, { ignoreUndefined: true })
}

export function errorToWire(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error)
  return { code: codeOf(error), message }
}

export function errorFromWire({ code, message }: WireError): FsError {
  return new FsError(codeOf({ code }), message.replace(/^[A-Z0-9]+: /, ''))
}
