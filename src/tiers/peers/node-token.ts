/**
 * Tokens that authenticate requests between nodes: sender, receiver and expiry time, signed by the
 * sender (Ed25519). A token is valid for one receiver and for minutes. The sender reuses its tokens
 * and the receiver caches verified ones, so a request costs no signature.
 *
 * Invariants: a token is valid only while its sender is registered with the key that signed it,
 * which is checked on each request. A token for another node is never accepted.
 */
import { FsError } from '../../base/fs-error.ts'
import { isSignedBy, type SigningKey } from '../../base/signing-key.ts'
import { tiersLimits } from '../limits.ts'
import type { ClusterClock } from './cluster-clock.ts'

export const TOKEN_HEADER = 'x-node-token'
/** Header in which a new node sends the join token. */
export const JOIN_HEADER = 'x-join-token'
/** Receiver in tokens for the coordinator. No node has this name: an id contains no space. */
export const TO_COORDINATOR = 'the coordinator'

const PURPOSE = 'cachefs node token 1\n'
const TOKEN = /^([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]{86})$/

interface Claims {
  from: string
  to: string
  untilMs: number
}

export class NodeTokens {
  readonly #self: string
  readonly #key: SigningKey
  readonly #clock: ClusterClock
  /** Tokens by receiver. */
  readonly #made = new Map<string, { token: string; untilMs: number }>()

  constructor(self: string, key: SigningKey, clock: ClusterClock) {
    this.#self = self
    this.#key = key
    this.#clock = clock
  }

  /** A token for requests to a node; at least half of its validity remains. */
  for(to: string): string {
    const nowMs = this.#clock.nowMs()
    const made = this.#made.get(to)
    const leftMs = (made?.untilMs ?? 0) - nowMs
    if (made && leftMs > tiersLimits.nodeTokenMs / 2 && leftMs <= tiersLimits.nodeTokenMs)
      return made.token
    const untilMs = nowMs + tiersLimits.nodeTokenMs
    const claims = Buffer.from(JSON.stringify([this.#self, to, untilMs])).toString('base64url')
    const signature = this.#key.sign(Buffer.from(PURPOSE + claims)).toString('base64url')
    const token = `${claims}.${signature}`
    if (this.#made.size >= tiersLimits.nodeTokens) this.#made.clear()
    this.#made.set(to, { token, untilMs })
    return token
  }
}

export interface TokenCheckOptions {
  self: string
  clock: ClusterClock
  /** Public key of a node; undefined: it is not, or no longer, a node of the cluster. */
  keyOf: (id: string) => string | undefined
}

export class TokenCheck {
  readonly #options: TokenCheckOptions
  /** Verified tokens, and the key that each was verified with. */
  readonly #known = new Map<string, Claims & { key: string }>()

  constructor(options: TokenCheckOptions) {
    this.#options = options
  }

  /** Returns the sender. EACCES: the token is invalid or has expired. */
  check(token: unknown): string {
    const { self, keyOf } = this.#options
    const parts = typeof token === 'string' ? TOKEN.exec(token) : null
    if (parts === null) throw refusal('is missing or malformed')
    const known = this.#known.get(parts[0])
    const claims = known ?? parse(parts[1]!)
    if (claims === undefined) throw refusal('is malformed')
    const { from, to, untilMs } = claims
    if (to !== self) throw refusal(`of ${from} is for another node than ${self}`)
    this.#checkTime(from, untilMs)
    const key = keyOf(from)
    if (key === undefined) throw refusal(`is of ${from}, which is no node of this cluster`)
    if (known?.key === key) return from
    const message = Buffer.from(PURPOSE + parts[1]!)
    if (!isSignedBy(key, message, Buffer.from(parts[2]!, 'base64url'))) {
      throw refusal(`was not signed by ${from}`)
    }
    if (this.#known.size >= tiersLimits.nodeTokens) this.#known.clear()
    this.#known.set(parts[0], { ...claims, key })
    return from
  }

  #checkTime(from: string, untilMs: number): void {
    const leftMs = untilMs - this.#options.clock.nowMs()
    if (leftMs < -tiersLimits.nodeClockSkewMs) throw refusal(`of ${from} has expired`)
    if (leftMs <= tiersLimits.nodeTokenMs + tiersLimits.nodeClockSkewMs) return
    throw refusal(`of ${from} is valid for too long: do the clocks of the machines agree?`)
  }
}

function parse(text: string): Claims | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(claims)) return undefined
    const [from, to, untilMs] = claims as unknown[]
    const isRight = typeof from === 'string' && typeof to === 'string'
    return isRight && Number.isSafeInteger(untilMs)
      ? { from, to, untilMs: untilMs as number }
      : undefined
  } catch {
    return undefined
  }
}

function refusal(what: string): FsError {
  return new FsError('EACCES', `the token of a node (${TOKEN_HEADER}) ${what}`)
}
