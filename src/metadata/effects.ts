/**
 * What an operation changed, for those that must invalidate caches of names, attributes and
 * content. The table is exhaustive: an operation without entry does not compile.
 */
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { Place, Removed } from './namespace-rules.ts'

/** Plain data; it is sent to other nodes. */
export interface Effects {
  /** Inodes whose attributes changed. */
  attributes: readonly number[]
  /** Names from which directories were moved to another parent; kernels may still cache them. */
  entries: readonly (readonly [parent: number, name: Uint8Array])[]
  /** Files whose content changed. */
  contents: readonly number[]
  /** Inodes that lost their last name; they exist while they are open. */
  orphaned: readonly number[]
  /** Inodes that were deleted. */
  purged: readonly number[]
  /** Chunks that are now in the cloud. */
  durable: readonly { ino: number; index: number; id: number }[]
  /** Domains that the change made exclusive to its origin. */
  exclusive: readonly number[]
}

const NONE: Effects = {
  attributes: [],
  entries: [],
  contents: [],
  orphaned: [],
  purged: [],
  durable: [],
  exclusive: [],
}

type EffectOf<K extends OperationName> = (
  args: OperationArgs<K>,
  result: OperationResult<K>,
) => Partial<Effects>

const nothing = (): Partial<Effects> => NONE

const attributesOf = ([ino]: readonly [number, ...unknown[]]): Partial<Effects> => {
  return { attributes: [ino] }
}

/** Effects on an inode that lost a name; none if `removed` is absent. */
function removal(removed: Removed | undefined | null): Partial<Effects> {
  if (removed == null) return NONE
  const { ino, nlink } = removed
  if (nlink > 0) return { attributes: [ino] }
  return { attributes: [ino], orphaned: [ino] }
}

function losesName(
  [parent]: OperationArgs<'unlink'>,
  removed: Removed | undefined | null,
): Partial<Effects> {
  if (removed == null) return NONE
  const lost = removal(removed)
  return { ...lost, attributes: [parent, ...(lost.attributes ?? [])] }
}

/** The places, if the rename moved between directories. */
function left(from: Place, to: Place, places: readonly Place[]): Effects['entries'] {
  return from.parent === to.parent ? [] : places.map(({ parent, name }) => [parent, name])
}

const table: { [K in OperationName]: EffectOf<K> } = {
  beginTerm: nothing,
  changeInode: attributesOf,
  claimSetting: nothing,
  commitContent: ([ino]) => ({ attributes: [ino], contents: [ino] }),
  commitContents: ([commits]) => {
    const inodes = commits.map(({ ino }) => ino)
    return { attributes: inodes, contents: inodes }
  },
  create: ([parent]) => ({ attributes: [parent] }),
  createOrphan: nothing,
  createRoot: nothing,
  discard: nothing,
  dropSetId: attributesOf,
  emptyTrash: nothing,
  endExclusive: nothing,
  exchange: ([from, to], inodes) => ({
    attributes: [from.parent, to.parent, ...inodes],
    entries: left(from, to, [from, to]),
  }),
  link: ([ino, parent]) => ({ attributes: [ino, parent] }),
  markAllDurable: ([chunks], applied) => ({
    durable: chunks
      .filter((_, at) => applied[at])
      .map(({ ino, index, id }) => ({ ino, index, id })),
  }),
  markDurable: ([ino, index, id], holds) => (holds ? { durable: [{ ino, index, id }] } : NONE),
  purgeInode: ([ino]) => ({ purged: [ino] }),
  purgeOrphan: ([ino], size) => (size == null ? NONE : { purged: [ino] }),
  purgeOrphans: (_args, gone) => ({ purged: gone }),
  registerNodes: nothing,
  removeNode: nothing,
  removeXattr: attributesOf,
  rename: ([from, to], outcome) => {
    if (outcome === 'changed') return NONE
    const lost = removal(outcome.removed)
    return {
      ...lost,
      attributes: [from.parent, to.parent, outcome.moved, ...(lost.attributes ?? [])],
      entries: left(from, to, outcome.isDirectory ? [from] : []),
    }
  },
  reserveNumbers: nothing,
  restorePast: ([ino]) => ({ attributes: [ino], contents: [ino] }),
  revokeNode: nothing,
  rmdir: losesName,
  setHolders: nothing,
  setSetting: nothing,
  setXattr: attributesOf,
  skipNumbers: nothing,
  takeAttributes: nothing,
  unlink: losesName,
}

export function effectsOf<K extends OperationName>(
  name: K,
  args: OperationArgs<K>,
  result: OperationResult<K>,
): Effects {
  return { ...NONE, ...(table[name] as EffectOf<K>)(args, result) }
}

/** The effects of several operations in order. */
export function allEffects(parts: readonly Effects[]): Effects {
  return {
    attributes: parts.flatMap(({ attributes }) => attributes),
    entries: parts.flatMap(({ entries }) => entries),
    contents: parts.flatMap(({ contents }) => contents),
    orphaned: parts.flatMap(({ orphaned }) => orphaned),
    purged: parts.flatMap(({ purged }) => purged),
    durable: parts.flatMap(({ durable }) => durable),
    exclusive: parts.flatMap(({ exclusive }) => exclusive),
  }
}
