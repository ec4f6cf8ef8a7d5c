/**
 * What a node and the coordinator say to each other: messages in MessagePack over one WebSocket,
 * many requests under way at once, answered by number. Plain data in both directions; what arrives
 * is decoded within bounds and never trusted further than what the node has proved.
 */
import { decode, encode } from '@msgpack/msgpack'
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
import type { HeldLock } from '../../base/file-lock.ts'
import { FsError, codeOf } from '../../base/fs-error.ts'

/** Path of the WebSocket on the coordinator's API. */
export const LINK_PATH = '/api/link'
/** Path of a whole copy of the metadata there. */
export const SNAPSHOT_PATH = '/api/metadata/snapshot'
/** Both sides have to speak the same. */
export const LINK_VERSION = 6

export interface Hello {
  kind: 'hello'
  protocol: number
  /** Its URL is empty while it cannot serve yet. */
  peer: PeerRegistration
  /** The node's public key, and its signature (link-door.ts). */
  key: string
  proof: Uint8Array
  /** Names this process of the node. */
  session: string
  store: string
  /** Last change that the node's copy has. */
  seq: number
  /** Inodes that only this node may write. */
  leases: number[]
  /** Inodes that it has open for writing. */
  writing: number[]
  /** Inodes without a name that it has open. */
  held: number[]
  /** File locks that its processes hold. */
  locks: HeldLock[]
}

/** From a node; `id` is answered by a `result`. */
export type NodeMessage =
  | Hello
  | {
      kind: 'operation'
      id: number
      name: string
      args: unknown[]
      /** Instead of its number on this connection. */
      once?: RequestIdentity | undefined
    }
  | { kind: 'sync'; id: number }
  | { kind: 'lease'; id: number; ino: number }
  /** It has the inode open for writing; answered with whether no other node has. */
  | { kind: 'writing'; id: number; ino: number }
  /** It has these open for writing no more. */
  | { kind: 'written'; inos: number[] }
  | { kind: 'lock'; id: number; condition: LockRequest }
  /** The request of that number need not wait any longer; it is answered all the same. */
  | { kind: 'cancel'; id: number }
  /** Everything up to `seq` is applied; `held`: inodes orphaned by it that are open here. */
  | { kind: 'applied'; seq: number; held: number[] }
  /** `at`: the node's clock, given back. */
  | { kind: 'renew'; at: number }
  /** Others may write these. */
  | { kind: 'returned'; inos: number[] }
  /** Nobody here has these orphans open any more. */
  | { kind: 'closed'; inos: number[] }
  /** Others can reach it there from now on. */
  | { kind: 'reachable'; url: string }
  /** The node has stopped: nobody need wait for it. */
  | { kind: 'bye' }
  | { kind: 'status'; report: Partial<PeerReport> }

export type CoordinatorMessage =
  /** The first: a hello answers it. `nowMs`: the coordinator's clock. */
  | { kind: 'challenge'; nonce: Uint8Array; nowMs: number }
  /** `snapshot`: the node's copy is of no use; it takes a whole one and says hello again. */
  | { kind: 'welcome'; store: string; seq: number; snapshot: boolean; ttlMs: number }
  | { kind: 'refused'; error: WireError }
  | { kind: 'changes'; changes: Change[] }
  /**
   * `leased`: an inode that the node may write from here on; `mayMap`: and has open for writing as
   * far as is known here, since it has made it; true: as the only node.
   */
  | {
      kind: 'result'
      id: number
      value?: unknown
      leased?: number | undefined
      mayMap?: boolean | undefined
      error?: WireError
    }
  | { kind: 'renewed'; at: number }
  | { kind: 'recall'; ino: number }
  /** Locks that the node claimed, and that others have by now. */
  | { kind: 'lost'; locks: HeldLock[] }
  /** Nodes that came or changed, and that went; `whole`: what was said before is void. */
  | { kind: 'peers'; whole: boolean; peers: PeerStatus[]; away: AwayPeer[] }

export interface WireError {
  code: string
  message: string
}

/** Files whose content an operation replaces: who asks for it has to have their leases. */
export function filesCommitted(name: string, args: readonly unknown[]): number[] {
  if (name === 'commitContent') return [args[0] as number]
  if (name !== 'commitContents') return []
  return (args as OperationArgs<'commitContents'>)[0].map(({ ino }) => ino)
}

/** The file that a request asked to write, or has made: who asked may be given its lease. */
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

export function fromWire(data: Uint8Array): unknown {
  const message: unknown = decode(data)
  if (typeof message === 'object' && message !== null && 'kind' in message) return message
  throw new FsError('EINVAL', 'a message of the link has a kind')
}

export function errorToWire(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error)
  return { code: codeOf(error), message }
}

export function errorFromWire({ code, message }: WireError): FsError {
  return new FsError(codeOf({ code }), message.replace(/^[A-Z0-9]+: /, ''))
}
