/**
 * Where mounts differ from ext4, each case by its name or a pattern of names, and why. Such a case
 * runs as any other, and has to differ: one that does not differ any more is an error here.
 */
import type { Case } from './case.ts'
import { CLUSTER_NODE, FILE_MOUNT, ONE_NODE, ONE_NODE_OFF } from './targets.ts'

export interface Difference {
  on: readonly string[]
  why: string
  cases: readonly (string | RegExp)[]
}

const VOLUME = [ONE_NODE, ONE_NODE_OFF, CLUSTER_NODE]
const ALL = [...VOLUME, FILE_MOUNT]

export const differences: readonly Difference[] = [
  {
    on: ALL,
    why: 'access times are kept as with noatime (docs/SEMANTICS.md)',
    cases: [
      'times: reading changes when a file was accessed',
      'times: listing changes when a directory was accessed',
    ],
  },
  {
    on: ALL,
    why: 'FUSE passes on no other modes of fallocate(2) than those that keep what lies behind',
    cases: ['fallocate: COLLAPSE_RANGE takes a part out', 'fallocate: INSERT_RANGE puts a gap in'],
  },
  {
    on: ALL,
    why: 'RENAME_WHITEOUT is for layers of overlayfs, which a mount is none of',
    cases: ['rename: flags that do not go together, or are unknown'],
  },
  {
    on: ALL,
    why: 'files without a name are not made (FUSE_TMPFILE is refused): libraries make named ones',
    cases: ['opening: O_TMPFILE makes a file without a name, which can get one'],
  },
]

/** The difference that is declared for a case on a target. */
export function differenceOf({ name }: Case, target: string): Difference | undefined {
  return differences.find(
    ({ on, cases }) =>
      on.includes(target) &&
      cases.some((it) => (typeof it === 'string' ? it === name : it.test(name))),
  )
}
