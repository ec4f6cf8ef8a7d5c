/**
 * Deviations of mounts from ext4, each with its cases (names or patterns) and its reason. Such a
 * case runs like any other and must deviate: one that no longer does is an error.
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
const FILES = [FILE_MOUNT]

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
  {
    on: FILES,
    why: 'a remote keeps files, directories and symbolic links; pipes, sockets, devices are EPERM',
    cases: [
      /^rename: .*pipe/,
      /^names: (device nodes keep|pipes and sockets are|bytes go through|a pipe without)/,
      /^names: (a socket cannot|only root makes|the file mode creation mask)/,
      'names: making a name changes the times of its directory',
      'links: pipes, sockets and devices can have several names',
      'permissions: a set-group-id directory hands on its group, and to directories its bit',
      'set-id: pipes keep theirs when they are written',
      'contents: truncate of what cannot be',
      'fallocate: only files that are open to write',
    ],
  },
  {
    on: FILES,
    why: 'a remote has one name for each file: link(2) is EPERM',
    cases: [
      /^links: (two names are|a link (changes|of a|can)|an open file|a user may link his)/,
      'names: removing one of two names changes when the file was changed',
      'rename: of two names of one file does nothing',
      'opening: a file can be opened by way of any of its names',
      'locks: locks are of the file, whatever its name',
    ],
  },
  {
    on: FILES,
    why: 'a remote has no step that exchanges two names: RENAME_EXCHANGE is EINVAL',
    cases: [
      /^rename: (?!nothing).* to (?!nothing).* EXCHANGE$/,
      /^rename: (that )?exchanges /,
      'listing: while entries are exchanged',
    ],
  },
  {
    on: FILES,
    why: 'directories have one link, which says that those in them are not counted',
    cases: [
      'names: a new directory has two names, and one more for each directory in it',
      'rename: of a directory moves a link of the one above',
    ],
  },
  {
    on: FILES,
    why: 'extended attributes are not kept: setting them is EOPNOTSUPP',
    cases: [
      /^xattr: (are|may|XATTR|sizes|names|of|stay)/,
      'permissions: extended attributes of users follow the mode of the file',
      'permissions: trusted attributes are for root',
      'times: setting extended attributes changes when the file was changed',
      'set-id: file capabilities go with a write by anybody',
      /^set-id: extended attributes /,
    ],
  },
  {
    on: FILES,
    why: 'a file is one piece of data: holes are not kept, and fallocate has mode 0 alone',
    cases: [
      /^fallocate: (PUNCH_HOLE (?!needs)|ZERO_RANGE|with KEEP_SIZE)/,
      /^fallocate: (reserves (within|beyond)|a truncate gives|O_TRUNC gives|.*room for is refused)/,
      /^set-id: fallocate, (KEEP_SIZE|PUNCH_HOLE|ZERO_RANGE) /,
      /^contents: (a write far beyond|a large file is sparse|data and holes)/,
      'times: fallocate changes them',
    ],
  },
  {
    on: FILES,
    why: 'times have milliseconds: what every remote keeps',
    cases: ['times: utimes keeps nanoseconds'],
  },
  {
    on: FILES,
    why: 'the mount is nosuid; which group a writer is in is not looked at: SGID alone stays',
    cases: [
      /^set-id: (a|an) (?!write of no).*(write|append|copy|size|truncate).* of .* by bob$/,
      /^set-id: (O_TRUNC.*|fallocate, (longer|within)) of a file with content by bob$/,
      /^set-id: a write by bob who had it open before/,
      /^set-id: chown of nothing /,
      'set-id: chgrp by an owner who is not in the group of the file',
    ],
  },
]

/** The declared difference of a case on a target. */
export function differenceOf({ name }: Case, target: string): Difference | undefined {
  return differences.find(
    ({ on, cases }) =>
      on.includes(target) &&
      cases.some((it) => (typeof it === 'string' ? it === name : it.test(name))),
  )
}
