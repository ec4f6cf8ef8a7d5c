/**
 * Checks of requests that routes and upgrades use in place of the API key: the signed token of a
 * node.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { describe } from '../../base/fs-error.ts'
import { TOKEN_HEADER, type TokenCheck } from '../../tiers/peers/node-token.ts'
import { HttpError } from '../../filesystem/http/service/http-error.ts'

/** Returns if the request is admitted; throws otherwise. */
export type Door = (headers: IncomingHttpHeaders) => void

/** Door for requests between nodes. */
export function nodeDoor(tokens: TokenCheck): Door {
  return (headers) => checkToken(tokens, headers)
}

/** Throws 401 if the request has no valid token of a node. */
export function checkToken(tokens: TokenCheck, headers: IncomingHttpHeaders): void {
  try {
    tokens.check(headers[TOKEN_HEADER])
  } catch (error) {
    throw new HttpError(401, 'EACCES', describe(error).replace(/^EACCES: /, ''))
  }
}
