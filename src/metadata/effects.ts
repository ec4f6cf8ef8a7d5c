/**
 * What an operation changed, in terms of those who remember the state before it: caches of names
 * and attributes, and of contents. Exhaustive: an operation that is not in the table does not
 * compile.
 */
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { Place, Removed } from './namespace-rules.ts'

/** Plain data: it is told to other nodes. */
export interface Effects {
  /** Inodes with other attributes than before. */
  attributes: readonly number[]
  /** Names that directories had before they went to others: a kernel believes them there yet. */
  entries: readonly (readonly [parent: number, name: Uint8Array])[]
  /** Files with other bytes than before. */
  contents: readonly number[]
  /** Inodes that lost their last name, and are there for who has them open. */
  orphaned: readonly number[]
  /** Inodes that are gone. */
  purged: readonly number[]
  /** Chunk ids that the cloud has now. */
  durable: readonly { ino: number; index: number; id: number }[]
}

const NONE: Effects = {
  attributes: [],
  entries: [],
  contents: [],
  orphaned: [],
  purged: [],
  durable: [],
}

type EffectOf<K extends OperationName> = (
  args: OperationArgs<K>,
  result: OperationResult<K>,
) => Partial<Effects>

const nothing = (): Partial<Effects> => NONE

const attributesOf = ([ino]: readonly [number, ...unknown[]]): Partial<Effects> => {
  return { attributes: [ino] }
}

/** Of an inode that lost a name; `removed` is absent where it did not. */
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

/** The names of places that were left for another directory. */
function left(from: Place, to: Place, places: readonly Place[]): Effects['entries'] {
  return from.parent === to.parent ? [] : places.map(({ parent, name }) => [parent, name])
}

const table: { [K in OperationName]: EffectOf<K> } = {
  changeInode: attributesOf,
  claimSetting: nothing,
  commitContent: ([ino]) => ({ attributes: [ino], contents: [ino] }),
  commitContents: ([commits]) => {
    const inodes = commits.map(({ ino }) => ino)
    return { attributes: inodes, contents: inodes }
  },
  create: ([parent]) => ({ attributes: [parent] }),
  createNameless: nothing,
  createRoot: nothing,
  discard: nothing,
  dropSetId: attributesOf,
  emptyTrash: nothing,
  exchange: ([from, to], inodes) => ({
    attributes: [from.parent, to.parent, ...inodes],
    entries: left(from, to, [from, to]),
  }),
  link: ([ino, parent]) => ({ attributes: [ino, parent] }),
  markAllDurable: ([chunks], held) => ({
    durable: chunks.filter((_, at) => held[at]).map(({ ino, index, id }) => ({ ino, index, id })),
  }),
  markDurable: ([ino, index, id], holds) => (holds ? { durable: [{ ino, index, id }] } : NONE),
  purgeInode: ([ino]) => ({ purged: [ino] }),
  purgeOrphan: ([ino], size) => (size == null ? NONE : { purged: [ino] }),
  purgeOrphans: (_args, gone) => ({ purged: gone }),
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
  rmdir: losesName,
  setHolders: nothing,
  setSetting: nothing,
  setXattr: attributesOf,
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
