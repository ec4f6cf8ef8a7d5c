/**
 * Table of all operations that change the metadata, by name. An engine runs each as one
 * transaction. Names and arguments are plain data, so an operation can be sent to the coordinator
 * and its change to other nodes.
 */
import {
  commitContent,
  commitContents,
  discard,
  emptyTrash,
  markAllDurable,
  markDurable,
  purgeInode,
  purgeOrphan,
  purgeOrphans,
  setHolders,
} from './chunk-rules.ts'
import { endExclusive } from './domain-rules.ts'
import { changeInode, dropSetId, removeXattr, setXattr, takeAttributes } from './inode-rules.ts'
import { restorePast } from './last-durable-rules.ts'
import { create, createOrphan, exchange, link, rename, rmdir, unlink } from './namespace-rules.ts'
import { registerNodes, removeNode, revokeNode } from './node-rules.ts'
import type { Rule } from './statement.ts'
import { beginTerm } from './term-rules.ts'
import {
  claimSetting,
  createRoot,
  reserveNumbers,
  setSetting,
  skipNumbers,
} from './volume-rules.ts'

const operations = {
  beginTerm,
  changeInode,
  claimSetting,
  commitContent,
  commitContents,
  create,
  createOrphan,
  createRoot,
  discard,
  dropSetId,
  emptyTrash,
  endExclusive,
  exchange,
  link,
  markAllDurable,
  markDurable,
  purgeInode,
  purgeOrphan,
  purgeOrphans,
  registerNodes,
  removeNode,
  removeXattr,
  rename,
  reserveNumbers,
  restorePast,
  revokeNode,
  rmdir,
  setHolders,
  setSetting,
  setXattr,
  skipNumbers,
  takeAttributes,
  unlink,
} as const

type Operations = typeof operations
export type OperationName = keyof Operations
export type OperationArgs<K extends OperationName> = Parameters<Operations[K]>
export type OperationResult<K extends OperationName> =
  ReturnType<Operations[K]> extends Rule<infer T> ? T : never

/** The rule that implements an operation. */
export function ruleOf<K extends OperationName>(
  name: K,
  args: OperationArgs<K>,
): Rule<OperationResult<K>> {
  const rule = operations[name] as unknown as (...all: OperationArgs<K>) => Rule<OperationResult<K>>
  return rule(...args)
}
