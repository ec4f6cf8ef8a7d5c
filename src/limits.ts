/**
 * Every bound of the system in one place, with its unit and its reason. Nothing is unbounded: a
 * queue, buffer, retry, cache or wait that is not listed here is a mistake.
 */

const KIB = 1024
const MIB = 1024 * KIB

export const limits = {
  /** Longest name of one directory entry, bytes: what Linux itself allows (NAME_MAX). */
  nameBytes: 255,
  /** Longest path or symlink target, bytes, including the final NUL (PATH_MAX). */
  pathBytes: 4096,
  /** Largest file, bytes: 16 TiB, as ext4 with 4 KiB blocks; keeps every offset exact in a double. */
  fileBytes: 16 * 1024 * 1024 * MIB,
  /** Largest extended attribute value, bytes (XATTR_SIZE_MAX). */
  xattrValueBytes: 64 * KIB,
  /** All names of one inode's extended attributes, bytes (XATTR_LIST_MAX). */
  xattrListBytes: 64 * KIB,
  /** Hard links to one inode: as ext4. */
  linksPerInode: 65_000,
} as const
