/**
 * What `import ... from 'cachefs'` gives: file systems that all keep one contract, and the one
 * error they throw. The only file that is public; anything else may change in any release.
 */
export { FsError } from './base/fs-error.ts'
export type { FsErrorCode, FsErrorDetails } from './base/fs-error.ts'
export type { Content, TextEncoding } from './filesystem/file-bytes.ts'
export { FileHandle } from './filesystem/file-handle.ts'
export type * from './filesystem/file-system.ts'
export type { OpenFile } from './filesystem/open-file.ts'
export type { OpenFlags } from './filesystem/open-flags.ts'
export { LocalFS } from './filesystem/local/local-fs.ts'
export { MemoryFS } from './filesystem/memory/memory-fs.ts'
export { PortableFileSystem } from './filesystem/portable-file-system.ts'
export { ReadOnlyFS } from './filesystem/read-only-fs.ts'
export { Dirent, Stats } from './filesystem/stats.ts'
export type { FileKind, StatFields } from './filesystem/stats.ts'
export { SubFS } from './filesystem/sub-fs.ts'
export type { ListedObject, ReadOptions, TierStorage, WriteOptions } from './tiers/tier-storage.ts'
