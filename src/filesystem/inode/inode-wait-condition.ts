/**
 * Requests of the kernel to an asynchronous file system, as plain data: a worker thread creates
 * them and the main thread executes them. Names and parts of paths are text; files are identified
 * by inode number, because their paths may change before the request is executed.
 */
import type {
  AttributeChange,
  FileSystemStatistics,
  Opened,
  WriteMode,
} from '../inode-file-system.ts'
import type { FileKind, Stats } from '../stats.ts'

export interface NamedPlace {
  parent: number
  name: string
}

interface Making extends NamedPlace {
  mode: number
  uid: number
  gid: number
}

export interface OpenPlace {
  ino: number
  handle: number
}

export type InodeWaitCondition =
  /** Run the operation on the main thread: its data is too large to be sent. */
  | { op: 'here' }
  | ({ op: 'lookup' } & NamedPlace)
  | { op: 'getattr'; ino: number; handle: number | undefined }
  | { op: 'setattr'; ino: number; handle: number | undefined; change: AttributeChange }
  | { op: 'readlink'; ino: number }
  | ({ op: 'mkdir' } & Making)
  | ({ op: 'symlink'; target: string } & Making)
  /** Creates an empty file. */
  | ({ op: 'mknod' } & Making)
  | ({ op: 'create'; flags: number } & Making)
  | ({ op: 'unlink' } & NamedPlace)
  | ({ op: 'rmdir' } & NamedPlace)
  | { op: 'rename'; from: NamedPlace; to: NamedPlace; isNew: boolean }
  | { op: 'open'; ino: number; flags: number; killSetId: boolean }
  | ({ op: 'read'; offset: number; sizeBytes: number } & OpenPlace)
  | ({ op: 'write'; offset: number; source: Uint8Array; how: WriteMode } & OpenPlace)
  | ({ op: 'release' } & OpenPlace)
  | ({ op: 'fsync' } & OpenPlace)
  | ({ op: 'extend'; sizeBytes: number; killSetId: boolean } & OpenPlace)
  | { op: 'opendir'; ino: number }
  | ({ op: 'readdir'; offset: number; plus: boolean } & OpenPlace)
  | { op: 'statfs' }
  | { op: 'status'; ino: number }

/** `stats` is set if attributes are requested and available. */
export interface ListedName {
  name: string
  kind: FileKind
  stats?: Stats | undefined
}

/** A page of a directory: its names, and the position of the first one in the directory. */
export interface DirectoryPage {
  names: readonly ListedName[]
  first: number
}

/** Type of the answer to each request. */
export interface InodeAnswers extends Record<InodeWaitCondition['op'], unknown> {
  lookup: Stats
  getattr: Stats
  setattr: Stats
  readlink: string
  mkdir: Stats
  symlink: Stats
  mknod: Stats
  create: [Stats, Opened]
  open: Opened
  read: Uint8Array
  write: number
  opendir: Opened
  readdir: DirectoryPage
  statfs: FileSystemStatistics
}
