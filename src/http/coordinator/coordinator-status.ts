/**
 * What the coordinator's API serves, as it needs it: the registry of nodes
 * (coordinator/peers/peer-registry.ts), where files are, and how the coordinator itself is doing.
 * `http/` only translates.
 */
import type { FileLocations } from '../../tiers/peers/file-locations.ts'
import type { PeerRegistration, PeerReport, PeerStatus } from '../../tiers/peers/peer-status.ts'
import type { Problem } from '../server/problem.ts'

export interface PeerList {
  /** EINVAL: it cannot be so. */
  register(registration: PeerRegistration): PeerStatus
  /** ENOENT: the node has to register first. */
  status(id: string, report: Partial<PeerReport>): PeerStatus
  get(id: string): PeerStatus | undefined
  /** Ordered by id. */
  list(): PeerStatus[]
  /** Some that are not silent, in random order. */
  any(count: number, except?: string): PeerStatus[]
}

/** As people see a node that has joined. */
export interface Member {
  id: string
  /** Ed25519, base64url: public. */
  key: string
  joined: string
  /** When it was; null: it is not. */
  revoked: string | null
}

export interface Members {
  list(): Member[]
  /** ENOENT: there is no such node. */
  revoke(id: string): Promise<void>
  /** As `revoke`; EBUSY: it is connected. */
  remove(id: string): Promise<void>
}

export interface CoordinatorStatus {
  readonly peers: PeerList
  readonly members: Members
  readonly locations: FileLocations
  /** What it lacks at present. */
  problems(): Promise<Problem[]>
  /** Beside the totals of all nodes. */
  stats(): Promise<Record<string, unknown>>
}
