/**
 * What `import ... from 'cachefs'` gives: the contracts that file systems and tiers speak, and the
 * one error they all throw. The only file that is public; anything else may change in any release.
 */
export { FsError } from './base/fs-error.ts'
export type { FsErrorCode, FsErrorDetails } from './base/fs-error.ts'
export type { CallOptions, DirectoryEntry, FileStat, FileSystem } from './filesystem/file-system.ts'
export type { ListedObject, ReadOptions, TierStorage, WriteOptions } from './tiers/tier-storage.ts'
