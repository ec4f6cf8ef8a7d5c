/**
 * Who may open a link to the coordinator: a node with its token, or whoever has what a new node
 * needs. What opens the connection lets nobody be a node yet: that is proved over the link
 * (coordinator/link/link-door.ts).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { FsError, describe } from '../../base/fs-error.ts'
import { Secret } from '../../base/secret.ts'
import { JOIN_HEADER, TOKEN_HEADER, type TokenCheck } from '../../tiers/peers/node-token.ts'
import type { ApiKey } from '../server/api-key.ts'
import { HttpError } from '../server/http-error.ts'

/** A request goes on, or the door throws. */
export type Door = (headers: IncomingHttpHeaders) => void

export interface LinkGateOptions {
  apiKey: ApiKey
  /** As it is now; undefined: it cannot be read. */
  joinToken: () => string | undefined
  /** The API key lets a new node join as well. */
  keyJoins: boolean
  tokens: TokenCheck
  /** It knows the nodes. */
  leads: () => boolean
}

export class LinkGate {
  readonly #options: LinkGateOptions

  constructor(options: LinkGateOptions) {
    this.#options = options
  }

  /** Throws 401, or 503 where another coordinator may know the node. */
  readonly checkLink: Door = (headers) => {
    if (!this.#hasJoinToken(headers)) this.checkNode(headers)
  }

  /** As `checkLink`, of what new nodes need not get. */
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

/** Requests of nodes to each other. */
export function nodeDoor(tokens: TokenCheck): Door {
  return (headers) => checkToken(tokens, headers)
}

function checkToken(tokens: TokenCheck, headers: IncomingHttpHeaders): void {
  try {
    tokens.check(headers[TOKEN_HEADER])
  } catch (error) {
    throw new HttpError(401, 'EACCES', describe(error).replace(/^EACCES: /, ''))
  }
}
