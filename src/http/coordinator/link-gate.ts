/**
 * Checks who may open a link to the coordinator: a node with its token, the holder of the API key,
 * or a new node with the join token. Opening the connection does not yet establish the identity of
 * a node; the node proves it over the link (coordinator/link/link-door.ts).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { FsError } from '../../base/fs-error.ts'
import { Secret } from '../../base/secret.ts'
import { JOIN_HEADER, type TokenCheck } from '../../tiers/peers/node-token.ts'
import type { ApiKey } from '../server/api-key.ts'
import { checkToken, type Door } from '../server/door.ts'

export interface LinkGateOptions {
  apiKey: ApiKey
  /** Reads the current join token; undefined: it cannot be read. */
  joinToken: () => string | undefined
  /** The API key also admits new nodes. */
  keyJoins: boolean
  tokens: TokenCheck
  /** This coordinator leads, so it has the list of nodes. */
  leads: () => boolean
}

export class LinkGate {
  readonly #options: LinkGateOptions

  constructor(options: LinkGateOptions) {
    this.#options = options
  }

  /** Throws 401, or 503 if this coordinator does not lead. */
  readonly checkLink: Door = (headers) => {
    if (!this.#hasJoinToken(headers)) this.checkNode(headers)
  }

  /** As `checkLink`, without the join token: for routes that new nodes do not need. */
  readonly checkNode: Door = (headers) => {
    const { apiKey, tokens, leads } = this.#options
    if (apiKey.matches(headers)) return
    if (!leads()) throw new FsError('EAGAIN', 'another coordinator knows the nodes')
    checkToken(tokens, headers)
  }

  mayJoin(headers: IncomingHttpHeaders): boolean {
    const { apiKey, keyJoins } = this.#options
    return this.#hasJoinToken(headers) || (keyJoins && apiKey.matches(headers))
  }

  #hasJoinToken(headers: IncomingHttpHeaders): boolean {
    const given = headers[JOIN_HEADER]
    if (given === undefined) return false
    const token = this.#options.joinToken()
    return token !== undefined && new Secret(token).matches(given)
  }
}
