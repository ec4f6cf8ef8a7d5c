/**
 * What an operation of the kernel asks of a file system that answers in its own time: plain data,
 * because a worker thread says it and the main thread does it. Names and paths' parts are text;
 * files are named by inode number, since their paths may change until their turn has come.
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

export type InodeNeed =
  /** Run it again on the main thread: what it carries is too large to be sent. */
  | { op: 'here' }
  | ({ op: 'lookup' } & NamedPlace)
  | { op: 'getattr'; ino: number; handle: number | undefined }
  | { op: 'setattr'; ino: number; handle: number | undefined; change: AttributeChange }
  | { op: 'readlink'; ino: number }
  | ({ op: 'mkdir' } & Making)
  | ({ op: 'symlink'; target: string } & Making)
  /** An empty file. */
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

/** `stats` where attributes are wanted and can be had. */
export interface ListedName {
  name: string
  kind: FileKind
  stats?: Stats | undefined
}

/** One page of a directory: its names, and which place the first has in the whole. */
export interface DirectoryPage {
  names: readonly ListedName[]
  first: number
}

/** What each need is answered with. */
export interface InodeAnswers extends Record<InodeNeed['op'], unknown> {
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
