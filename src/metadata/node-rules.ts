/**
 * The nodes of a cluster: by id the public key that each has proved to have when it joined. Every
 * copy has them, so that nodes know each other without asking. A node that was revoked stays, with
 * its key, until it is removed: nobody else can take its id meanwhile.
 */
import { change, many, one, type Rule } from './statement.ts'

export interface NodeIdentity {
  id: string
  /** Ed25519, base64url. */
  key: string
  /** ISO 8601. */
  joined: string
  /** As `joined`; empty: it is not. */
  revoked: string
}

const COLUMNS = 'id, public_key AS "key", joined, revoked'

export const findNode = one<NodeIdentity>(`SELECT ${COLUMNS} FROM node WHERE id = ?`)
/** By id, a page, behind the given one. */
export const listNodes = many<NodeIdentity>(
  `SELECT ${COLUMNS} FROM node WHERE id > ? ORDER BY id LIMIT ?`,
)
const insertNode = change(
  'node.insertNode',
  `INSERT INTO node (id, public_key, joined, revoked) VALUES (?, ?, ?, '')
  ON CONFLICT (id) DO NOTHING`,
)
const setRevoked = change('node.setRevoked', 'UPDATE node SET revoked = ? WHERE id = ?')
const deleteNode = change('node.deleteNode', 'DELETE FROM node WHERE id = ?')

/** Those that are there stay as they are. */
export function* registerNodes(
  nodes: readonly { id: string; key: string }[],
  joined: string,
): Rule<void> {
  for (const { id, key } of nodes) yield* insertNode(id, key, joined)
}

export function* revokeNode(id: string, time: string): Rule<void> {
  yield* setRevoked(time, id)
}

export function* removeNode(id: string): Rule<void> {
  yield* deleteNode(id)
}
