/**
 * Contract between the coordinator's API and the coordinator: the registry of nodes
 * (coordinator/peers/peer-registry.ts), file locations, and the state of the coordinator itself.
 * `http/` only translates.
 */
import type { FileLocations } from '../../tiers/peers/file-locations.ts'
import type { PeerRegistration, PeerReport, PeerStatus } from '../../tiers/peers/peer-status.ts'
import type { Problem } from '../server/problem.ts'

export interface PeerList {
  /** EINVAL: the registration is invalid. */
  register(registration: PeerRegistration): PeerStatus
  /** ENOENT: the node is not registered. */
  status(id: string, report: Partial<PeerReport>): PeerStatus
  get(id: string): PeerStatus | undefined
  /** Ordered by id. */
  list(): PeerStatus[]
  /** Up to `count` nodes that are not silent, in random order. */
  any(count: number, except?: string): PeerStatus[]
}

/** A node that has joined, in the form shown to users. */
export interface Member {
  id: string
  /** Public key: Ed25519, base64url. */
  key: string
  joined: string
  /** Time of revocation; null: not revoked. */
  revoked: string | null
}

export interface Members {
  list(): Member[]
  /** ENOENT: no such node. */
  revoke(id: string): Promise<void>
  /** ENOENT: no such node; EBUSY: the node is connected. */
  remove(id: string): Promise<void>
}

export interface CoordinatorStatus {
  readonly peers: PeerList
  readonly members: Members
  readonly locations: FileLocations
  /** Current problems of the coordinator. */
  problems(): Promise<Problem[]>
  /** Statistics in addition to the totals of all nodes. */
  stats(): Promise<Record<string, unknown>>
}
