/**
 * The nodes of a cluster: the public key of each, by id. A node proved at joining that it has the
 * private key. Every replica of the metadata has this table, so nodes verify each other without a
 * request. A revoked node keeps its row until it is removed, so no other node can take its id.
 */
import { change, many, one, type Rule } from './statement.ts'

export interface NodeIdentity {
  id: string
  /** Ed25519, base64url. */
  key: string
  /** ISO 8601. */
  joined: string
  /** Time of revocation, ISO 8601; empty: the node is not revoked. */
  revoked: string
}

const COLUMNS = 'id, public_key AS "key", joined, revoked'

export const findNode = one<NodeIdentity>(`SELECT ${COLUMNS} FROM node WHERE id = ?`)
/** One page, ordered by id, after the given id. */
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

/** Existing nodes are not changed. */
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
