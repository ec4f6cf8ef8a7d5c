/**
 * The footprint of an operation: the domains (domain-rules.ts) whose rows it reads to decide, or
 * changes. An operation may run on a node alone if all of them are exclusive to that node; else the
 * coordinator runs it, after it has taken these domains from other nodes. The table is exhaustive:
 * an operation without entry does not compile.
 *
 * Invariant: operations with disjoint footprints commute. An operation that depends on more than
 * domains, such as a move of a directory, which must not create a cycle anywhere, is run by the
 * coordinator only.
 */
import { DURABILITY_XATTR } from './durability.ts'
import { domainOf, domainOfRow } from './domain-rules.ts'
import { S_IFDIR, S_IFMT, type InodeRow } from './inode-rules.ts'
import { findEntryInode, type Place } from './namespace-rules.ts'
import type { OperationArgs, OperationName } from './operations.ts'
import type { Rule } from './statement.ts'

export interface Footprint {
  /** Without duplicates, in ascending order, which is also the order of locking. */
  domains: readonly number[]
  /** Directories that the operation creates: no node can have used these domains before. */
  created: readonly number[]
  /**
   * - `content`: what programs see may change.
   * - `upkeep`: only where bytes are stored changes, which nodes may learn at any time.
   * - `volume`: more than domains; every node applies the change before it is answered.
   */
  reach: 'content' | 'upkeep' | 'volume'
}

type FootprintOf<K extends OperationName> = (args: OperationArgs<K>) => Rule<Footprint>

function footprint(domains: readonly number[], more: Partial<Footprint> = {}): Footprint {
  const sorted = [...new Set(domains)].sort((a, b) => a - b)
  return { created: [], reach: 'content', ...more, domains: sorted }
}

const onVolume = function* (): Rule<Footprint> {
  return footprint([], { reach: 'volume' })
}

const nowhere = function* (): Rule<Footprint> {
  return footprint([], { reach: 'upkeep' })
}

function* onInode([ino]: readonly [number, ...unknown[]]): Rule<Footprint> {
  return footprint([yield* domainOf(ino)])
}

function* onInodes(inos: readonly number[]): Rule<number[]> {
  const domains: number[] = []
  for (const ino of new Set(inos)) domains.push(yield* domainOf(ino))
  return domains
}

function* upkeepOf([ino]: readonly [number, ...unknown[]]): Rule<Footprint> {
  return footprint([yield* domainOf(ino)], { reach: 'upkeep' })
}

/** The policy of a directory holds for everything below it. */
function* onXattr([ino, name]: readonly [number, Uint8Array, ...unknown[]]): Rule<Footprint> {
  const isPolicy = Buffer.compare(name, DURABILITY_XATTR) === 0
  return footprint([yield* domainOf(ino)], { reach: isPolicy ? 'volume' : 'content' })
}

/** Domains of an inode that loses a name; a file that has one left goes to its directory. */
function losing(row: InodeRow | undefined): number[] {
  if (row === undefined) return []
  return row.nlink === 2 ? [domainOfRow(row), row.parent] : [domainOfRow(row)]
}

function isFile({ mode }: InodeRow): boolean {
  return (mode & S_IFMT) !== S_IFDIR
}

function* onRemoval([parent, name]: readonly [number, Uint8Array, ...unknown[]]): Rule<Footprint> {
  const row = yield* findEntryInode(parent, name)
  return footprint([parent, ...losing(row)])
}

function* onMove(from: Place, to: Place, isExchange: boolean): Rule<Footprint> {
  const source = yield* findEntryInode(from.parent, from.name)
  const target = yield* findEntryInode(to.parent, to.name)
  const lost = isExchange ? [] : losing(target)
  const rows = [source, target].filter((row) => row !== undefined)
  const moved = isExchange ? rows : [source]
  const isTree = from.parent !== to.parent && moved.some((row) => row && !isFile(row))
  return footprint([from.parent, to.parent, ...rows.map(domainOfRow), ...lost], {
    reach: isTree ? 'volume' : 'content',
  })
}

const table: { [K in OperationName]: FootprintOf<K> } = {
  beginTerm: onVolume,
  changeInode: onInode,
  claimSetting: onVolume,
  commitContent: onInode,
  *commitContents([commits]) {
    return footprint(yield* onInodes(commits.map(({ ino }) => ino)))
  },
  *create([parent, , { ino, mode }]) {
    return footprint([parent], { created: (mode & S_IFMT) === S_IFDIR ? [ino] : [] })
  },
  *createOrphan([parent]) {
    return footprint([parent])
  },
  createRoot: onVolume,
  discard: upkeepOf,
  dropSetId: onInode,
  emptyTrash: nowhere,
  endExclusive: nowhere,
  *exchange([from, to]) {
    return yield* onMove(from, to, true)
  },
  *link([ino, parent]) {
    // With its second name the file becomes a domain of its own.
    return footprint([yield* domainOf(ino), ino, parent])
  },
  *markAllDurable([chunks]) {
    return footprint(yield* onInodes(chunks.map(({ ino }) => ino)), { reach: 'upkeep' })
  },
  markDurable: upkeepOf,
  purgeInode: upkeepOf,
  purgeOrphan: upkeepOf,
  *purgeOrphans([inos]) {
    return footprint(yield* onInodes(inos), { reach: 'upkeep' })
  },
  registerNodes: onVolume,
  removeNode: onVolume,
  removeXattr: onXattr,
  *rename([from, to]) {
    return yield* onMove(from, to, false)
  },
  reserveNumbers: nowhere,
  restorePast: onInode,
  revokeNode: onVolume,
  rmdir: onRemoval,
  setHolders: upkeepOf,
  setSetting: onVolume,
  setXattr: onXattr,
  skipNumbers: onVolume,
  *takeAttributes([ino, from]) {
    return footprint(yield* onInodes([ino, from]))
  },
  unlink: onRemoval,
}

/** Read-only; run it on the state on which the operation is to run. */
export function footprintOf<K extends OperationName>(
  name: K,
  args: OperationArgs<K>,
): Rule<Footprint> {
  return (table[name] as FootprintOf<K>)(args)
}
