/**
 * Authenticates the node on one connection. A node proves its identity with a signature over a
 * nonce that the coordinator has just generated, so a proof recorded on another connection is
 * useless.
 *
 * Invariant: a refused connection changes no state.
 */
import { randomBytes } from 'node:crypto'
import { encode } from '@msgpack/msgpack'
import { FsError } from '../../base/fs-error.ts'
import { isSignedBy } from '../../base/signing-key.ts'
import { LINK_VERSION, type CoordinatorMessage, type Hello } from './link-protocol.ts'
import type { NodeRegister } from '../peers/node-register.ts'

const NONCE_BYTES = 32

/** The message that a node signs. */
export function proofOf(
  nonce: Uint8Array,
  { peer, session, key }: Pick<Hello, 'session' | 'key'> & { peer: { id: string } },
): Uint8Array {
  return encode(['cachefs link', LINK_VERSION, nonce, peer.id, session, key])
}

export class LinkDoor {
  readonly #nonce = randomBytes(NONCE_BYTES)
  readonly #register: NodeRegister
  readonly #mayJoin: boolean
  /** The last claim that was proved; it includes the key. */
  #proved: { proof: Buffer; claim: Buffer } | undefined

  /** `mayJoin`: the connection was opened with a valid join credential. */
  constructor(register: NodeRegister, mayJoin: boolean) {
    this.#register = register
    this.#mayJoin = mayJoin
  }

  challenge(): CoordinatorMessage {
    return { kind: 'challenge', nonce: this.#nonce, nowMs: Date.now() }
  }

  /** EACCES: the node did not prove its identity, was revoked, or may not join. */
  async admit(hello: Hello): Promise<{ hasJoined: boolean }> {
    const { peer } = hello
    if (!this.#isProved(hello)) {
      throw new FsError('EACCES', `${peer.id} has not proved that it has its key`)
    }
    const hasJoined = this.#register.get(peer.id) === undefined
    if (hasJoined) await this.#join(hello)
    this.#check(hello)
    return { hasJoined }
  }

  /** A node sends hello again after it has fetched a copy; checking a signature takes long. */
  #isProved(hello: Hello): boolean {
    const claim = proofOf(this.#nonce, hello)
    const { proof, key } = hello
    const known = this.#proved
    if (known && known.proof.equals(proof) && known.claim.equals(claim)) return true
    if (!isSignedBy(key, claim, proof)) return false
    this.#proved = { proof: Buffer.from(proof), claim: Buffer.from(claim) }
    return true
  }

  async #join({ peer: { id }, key }: Hello): Promise<void> {
    if (!this.#mayJoin) {
      throw new FsError(
        'EACCES',
        `${id} is no node of this cluster yet: to join it needs the join token ` +
          '(--join-token-file; `coordinator join-token` where the coordinator runs prints it)',
      )
    }
    await this.#register.join(id, key)
  }

  #check({ peer: { id }, key }: Hello): void {
    const node = this.#register.get(id)
    if (node?.key !== key) {
      throw new FsError(
        'EACCES',
        `${id} has joined this cluster with another key than this node has: restore node-key in ` +
          `its -nvme directory; if the key was lost with its disk, \`cachefs peers remove ` +
          `${id}\` lets it join anew; if this is another node, choose a -peer-id`,
      )
    }
    if (node.revoked === '') return
    throw new FsError(
      'EACCES',
      `${id} was revoked at ${node.revoked}: \`cachefs peers remove ${id}\` lets it join anew`,
    )
  }
}
