/**
 * Checks the messages of the link before they are handled, those of nodes and those of the
 * coordinator. A malformed message ends its connection and changes no state.
 */
import { decode } from '@msgpack/msgpack'
import { z } from 'zod'
import { FsError } from '../../base/fs-error.ts'
import { PUBLIC_KEY, SIGNATURE_BYTES } from '../../base/signing-key.ts'
import { coordinatorLimits } from '../limits.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { LINK_VERSION, type CoordinatorMessage, type NodeMessage } from './link-protocol.ts'
import { checkBounds, checkSize } from './message-bounds.ts'

const whole = z.int().min(0)
const ino = z.int().min(1)
const inos = z.array(ino)
const text = z.string().max(coordinatorLimits.linkNameBytes)
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

const peer = z.object({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
  url: z.string().max(tiersLimits.peerUrlBytes),
  capacityBytes: amount,
  version: z.string().regex(/^[\w.+-]{0,64}$/),
})
export const lock = z.object({
  kind: z.enum(['posix', 'flock']),
  type: z.enum(['read', 'write', 'unlock']),
  start: whole,
  end: whole,
  pid: whole,
})
const held = lock.extend({ ino, owner: text })
const asked = { kind: z.literal('lock'), ino, owner: text }
const lockRequest = z.discriminatedUnion('op', [
  z.object({ ...asked, op: z.literal('get'), lock }),
  z.object({ ...asked, op: z.literal('set'), lock, wait: z.boolean() }),
  z.object({ ...asked, op: z.literal('release'), of: lock.shape.kind }),
])
const once = z.object({ mount: text, request: whole })
const kind = z.literal
const id = whole

export const nodeMessages = z.discriminatedUnion('kind', [
  z.object({
    kind: kind('hello'),
    protocol: whole,
    peer,
    key: z.string().regex(PUBLIC_KEY),
    proof: z.instanceof(Uint8Array).refine(({ length }) => length === SIGNATURE_BYTES),
    session: text.min(1),
    store: text,
    seq: whole,
    term: text,
    leases: inos,
    writing: inos,
    held: inos,
    locks: z.array(held),
    drops: z.boolean(),
    exclusive: inos,
  }),
  z.object({
    kind: kind('operation'),
    id,
    name: text,
    args: z.array(z.unknown()),
    once: once.optional(),
  }),
  z.object({ kind: kind('sync'), id }),
  z.object({ kind: kind('lease'), id, ino }),
  z.object({ kind: kind('writing'), id, ino }),
  z.object({ kind: kind('written'), inos }),
  z.object({ kind: kind('lock'), id, condition: lockRequest }),
  z.object({ kind: kind('cancel'), id }),
  z.object({ kind: kind('applied'), seq: whole, held: inos }),
  z.object({ kind: kind('renew'), at: z.number() }),
  z.object({ kind: kind('returned'), inos }),
  z.object({ kind: kind('closed'), inos }),
  z.object({ kind: kind('want'), id, domain: ino }),
  z.object({ kind: kind('dropped'), request: whole, used: inos }),
  z.object({ kind: kind('unused'), domains: inos }),
  z.object({
    kind: kind('outbox'),
    run: text,
    isLate: z.boolean(),
    entries: z
      .array(z.object({ id: ino, name: text, args: z.array(z.unknown()), created: inos }))
      .min(1)
      .max(metadataLimits.outboxBatch),
  }),
  z.object({ kind: kind('returnedDomains'), domains: inos }),
  z.object({ kind: kind('reachable'), url: z.string().max(tiersLimits.peerUrlBytes) }),
  z.object({ kind: kind('bye') }),
  // The registry checks its content.
  z.object({ kind: kind('status'), report: z.record(z.string(), z.unknown()) }),
])

const error = z.object({ code: z.string(), message: z.string() })
const bytes = z.instanceof(Uint8Array)
const value = z.union([z.number(), z.string(), bytes, z.null()])
/** A change of the metadata. */
export const changed = z.object({
  seq: whole,
  origin: z.string(),
  calls: z.array(z.tuple([z.union([z.string(), z.number()])], value)),
  effects: z.object({
    attributes: inos,
    entries: z.array(z.tuple([ino, bytes])),
    contents: inos,
    orphaned: inos,
    purged: inos,
    durable: z.array(z.object({ ino, index: whole, id: whole })),
    exclusive: inos.default([]),
  }),
  outbox: z.object({ run: text, last: whole, count: whole, refused: z.array(whole) }).optional(),
})
const away = z.object({ id: z.string(), url: z.string(), since: z.string() })
const listed = peer.extend({ state: z.enum(['ok', 'degraded', 'silent']), silentMs: z.number() })

const coordinatorMessages = z.discriminatedUnion('kind', [
  z.object({ kind: kind('challenge'), nonce: bytes, nowMs: z.number() }),
  z.object({
    kind: kind('welcome'),
    store: text,
    seq: whole,
    snapshot: z.boolean(),
    isAhead: z.boolean(),
    isResumed: z.boolean(),
    ttlMs: amount,
  }),
  z.object({ kind: kind('refused'), error }),
  z.object({ kind: kind('changes'), changes: z.array(changed) }),
  z.object({
    kind: kind('result'),
    id,
    value: z.unknown().optional(),
    leased: ino.optional(),
    mayMap: z.boolean().optional(),
    exclusive: inos.optional(),
    error: error.optional(),
  }),
  z.object({ kind: kind('renewed'), at: z.number() }),
  z.object({ kind: kind('recall'), ino }),
  z.object({ kind: kind('drop'), request: whole, domains: inos }),
  z.object({ kind: kind('recallDomains'), domains: inos }),
  z.object({ kind: kind('lost'), locks: z.array(held) }),
  z.object({
    kind: kind('peers'),
    whole: z.boolean(),
    peers: z.array(listed),
    away: z.array(away),
  }),
])

/** EINVAL if it is not a message of this version's nodes. */
export function fromNode(data: Uint8Array): NodeMessage {
  checkSize(data)
  checkBounds(data)
  const decoded = decode(data)
  const { kind: said, protocol } = (decoded ?? {}) as { kind?: unknown; protocol?: unknown }
  if (said === 'hello' && protocol !== LINK_VERSION) {
    throw new FsError('EINVAL', 'another version of CacheFS')
  }
  return checked(nodeMessages, decoded) as NodeMessage
}

/**
 * EINVAL if it is not a message of this version's coordinators. They send no bounds: a node trusts
 * its coordinator with its memory.
 */
export function fromCoordinator(data: Uint8Array): CoordinatorMessage {
  return checked(coordinatorMessages, decode(data)) as CoordinatorMessage
}

/** Returns the message itself, because a parsed one would be a copy. */
function checked(schema: z.ZodType, message: unknown): unknown {
  const parsed = schema.safeParse(message)
  if (parsed.success) return message
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new FsError('EINVAL', `a message of the link: ${where} ${issue?.message ?? 'is malformed'}`)
}
