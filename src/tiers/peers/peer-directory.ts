/** The live nodes of the cluster, as reported by the coordinator. */
export interface Peer {
  id: string
  /** URL of its API: `http://host:port`. */
  url: string
}

export interface PeerDirectory {
  /** Id of this node. */
  readonly self: string
  /** The live nodes except this one. Callers read it anew for each chunk. */
  peers(): readonly Peer[]
}
