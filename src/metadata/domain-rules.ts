/**
 * Domains are the units in which nodes may rely on their replicas of the metadata. A directory is
 * the domain of its entries, of its own attributes, and of the files that have no name elsewhere. A
 * file with several names is a domain of its own. A domain has the number of its directory or file.
 *
 * Invariants: each row of the metadata that a file system operation reads or changes belongs to
 * exactly one domain, or to the volume as a whole; footprint.ts has the domains of each operation.
 * A directory that a node creates alone is exclusive to it from birth; a file that gets a second
 * name is not.
 */
import { S_IFDIR, S_IFMT, findInode, type InodeRow } from './inode-rules.ts'
import { change, many, one, type Rule } from './statement.ts'

/** The node that alone may use a domain, and change it without asking the coordinator. */
export interface ExclusiveDomain {
  domain: number
  node: string
}

const selectExclusive = one<{ node: string }>('SELECT node FROM exclusive_domain WHERE domain = ?')
/** One page, ordered by domain, after the given one. */
export const listExclusive = many<ExclusiveDomain>(
  'SELECT domain, node FROM exclusive_domain WHERE domain > ? ORDER BY domain LIMIT ?',
)
const upsertExclusive = change(
  'domain.upsertExclusive',
  `INSERT INTO exclusive_domain (domain, node) VALUES (?, ?)
  ON CONFLICT (domain) DO UPDATE SET node = excluded.node`,
)
const deleteExclusive = change(
  'domain.deleteExclusive',
  'DELETE FROM exclusive_domain WHERE domain = ?',
)

export function domainOfRow({
  ino,
  mode,
  nlink,
  parent,
}: Pick<InodeRow, 'ino' | 'mode' | 'nlink' | 'parent'>): number {
  return (mode & S_IFMT) === S_IFDIR || nlink > 1 ? ino : parent
}

/** The domain of an inode; its own number if it does not exist. */
export function* domainOf(ino: number): Rule<number> {
  const row = yield* findInode(ino)
  return row === undefined ? ino : domainOfRow(row)
}

/** The node to which a domain is exclusive; undefined: to none. */
export function* exclusiveTo(domain: number): Rule<string | undefined> {
  return (yield* selectExclusive(domain))?.node
}

export function* makeExclusive(domains: readonly number[], node: string): Rule<void> {
  for (const domain of domains) yield* upsertExclusive(domain, node)
}

export function* endExclusive(domains: readonly number[]): Rule<void> {
  for (const domain of domains) yield* deleteExclusive(domain)
}
