/** Who else is there: the nodes that are alive at present, as the coordinator tells them. */
export interface Peer {
  id: string
  /** Where its API is: `http://host:port`. */
  url: string
}

export interface PeerDirectory {
  /** Id of this node. */
  readonly self: string
  /** The live others, without this node; asked anew for every chunk. */
  peers(): readonly Peer[]
}
