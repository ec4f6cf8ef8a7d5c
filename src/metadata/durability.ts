/**
 * Durability policy: where data must be before `close` and `fsync` return. It is an extended
 * attribute of a directory, inherited by everything below; the nearest one applies, else the
 * default of the mount. A file uses the directory in which it was created or to which it was last
 * renamed (docs/decisions/0010).
 */
import { FsError } from '../base/fs-error.ts'
import { metadataLimits } from './limits.ts'
import { many, type Rule } from './statement.ts'

/** On this node; on N other nodes as well; in the cloud. */
export type Durability = 'local' | 'cloud' | `peers=${number}`

export const DURABILITY_XATTR = Buffer.from('user.cachefs.durability')

const MOST = metadataLimits.durabilityPeers

export function parseDurability(text: string): Durability {
  if (text === 'local' || text === 'cloud') return text
  const peers = Number(/^peers=(\d{1,3})$/.exec(text)?.[1])
  if (peers >= 1 && peers <= MOST) return `peers=${peers}`
  throw new FsError('EINVAL', `durability must be local, cloud, or peers=N, N from 1 to ${MOST}`)
}

/** Number of other nodes that must have the data. */
export function copiesOf(durability: Durability): number {
  return Number(/^peers=(\d+)$/.exec(durability)?.[1] ?? 0)
}

const selectPolicies = many<{ ino: number; value: Uint8Array }>(`WITH RECURSIVE
  above (ino, parent, depth) AS (
    SELECT ino, parent, 0 FROM inode WHERE ino = ?
    UNION ALL
    SELECT inode.ino, inode.parent, above.depth + 1 FROM above
    JOIN inode ON inode.ino = above.parent
  )
  SELECT above.ino, xattr.value FROM above
  JOIN xattr ON xattr.ino = above.ino AND xattr.name = ? ORDER BY above.depth LIMIT 1`)

/** Policy of an inode and the directory that defines it; undefined if none does. */
export function* durabilityOf(
  ino: number,
): Rule<{ ino: number; durability: Durability } | undefined> {
  const [found] = yield* selectPolicies(ino, DURABILITY_XATTR)
  if (found === undefined) return undefined
  return { ino: found.ino, durability: parseDurability(Buffer.from(found.value).toString()) }
}
