/**
 * Public API for browsers: what `import ... from 'cachefs'` exports in a browser bundle, which is
 * the part of `index.ts` that does not need Node.
 */
export { FsError } from './base/fs-error.ts'
export { CacheFS } from './cachefs/cache-fs.ts'
export { FileHandle } from './filesystem/file-handle.ts'
export { HttpFS } from './filesystem/http/http-fs.ts'
export { MemoryFS } from './filesystem/memory/memory-fs.ts'
export { PortableFileSystem } from './filesystem/portable-file-system.ts'
export { ReadOnlyFS } from './filesystem/read-only-fs.ts'
export { Dirent, Stats } from './filesystem/stats.ts'
export { SubFS } from './filesystem/sub-fs.ts'
