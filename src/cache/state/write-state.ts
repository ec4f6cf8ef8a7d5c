/**
 * The write state of an open inode: how its content differs from the metadata, and which record of
 * that survives a crash. An inode is in exactly one state, and only these transitions exist:
 *
 * | state       | content                           | record                                 |
 * | ----------- | --------------------------------- | -------------------------------------- |
 * | committed   | as in the metadata                | none                                   |
 * | new         | empty, never committed            | none                                   |
 * | new-written | in the backing file only          | the table of open inodes               |
 * | dirty       | differs in the dirty chunks       | node database: chunks, size            |
 * | committing  | in the upload journal             | node database: uploads, commit         |
 * | rewritten   | changed since it was journaled    | both of the above                      |
 *
 * Independent of it are the writers: whether only this process writes the backing file, or also the
 * kernel, or programs that outlived the mount (passthrough-writes.ts). Then the changed chunks are
 * found by comparison when the content is committed (dirty-chunks.ts).
 */
export type WriteState = 'committed' | 'new' | 'new-written' | 'dirty' | 'committing' | 'rewritten'

export type WriteEvent =
  /** The first open of an inode that never had content. */
  | 'create'
  /** Content was, or is about to be, written. */
  | 'write'
  /** The node database takes over the record from the table of open inodes. */
  | 'record'
  /** The content was written to the upload journal. */
  | 'journal'
  /** A journaled commit was found at the start. */
  | 'resume'
  /** The metadata has the commit. */
  | 'confirm'
  /** The metadata refused the commit. */
  | 'refuse'
  /** The content was deleted, or superseded by a commit of another node. */
  | 'discard'

/** Events that are not listed cannot happen in that state. */
const TRANSITIONS: Record<WriteState, Partial<Record<WriteEvent, WriteState>>> = {
  committed: {
    create: 'new',
    write: 'dirty',
    record: 'committed',
    resume: 'committing',
    // The commit was discarded before its confirmation arrived.
    confirm: 'committed',
    discard: 'committed',
  },
  new: { write: 'new-written', record: 'committed', discard: 'committed' },
  'new-written': {
    write: 'new-written',
    record: 'dirty',
    journal: 'committing',
    discard: 'committed',
  },
  dirty: {
    write: 'dirty',
    record: 'dirty',
    journal: 'committing',
    // As above, and it was written again since.
    confirm: 'dirty',
    discard: 'committed',
  },
  committing: {
    write: 'rewritten',
    record: 'committing',
    // The commit is tried again.
    journal: 'committing',
    confirm: 'committed',
    refuse: 'dirty',
    discard: 'committed',
  },
  rewritten: {
    write: 'rewritten',
    record: 'rewritten',
    journal: 'committing',
    confirm: 'dirty',
    discard: 'committed',
  },
}

export function afterEvent(state: WriteState, event: WriteEvent): WriteState {
  const next = TRANSITIONS[state][event]
  if (next === undefined) throw new Error(`an inode that is ${state} cannot ${event}`)
  return next
}

/** Who writes the backing file, apart from this process. */
export type Writers = 'none' | 'kernel' | 'outlived'

export type WritersEvent =
  /** The kernel may write the file from here on. */
  | 'begin'
  /** The mount has ended, and programs may go on writing. */
  | 'outlive'
  /** The last writer is gone, and its writes are committed or deleted. */
  | 'end'

const WRITERS: Record<Writers, Partial<Record<WritersEvent, Writers>>> = {
  none: { begin: 'kernel', outlive: 'outlived', end: 'none' },
  kernel: { begin: 'kernel', outlive: 'outlived', end: 'none' },
  outlived: { outlive: 'outlived', end: 'none' },
}

export function writersAfter(writers: Writers, event: WritersEvent): Writers {
  const next = WRITERS[writers][event]
  if (next === undefined) throw new Error(`a file with writers ${writers} cannot ${event}`)
  return next
}
