/** Operations on directories that are listed, also during changes. */
import { readdirSync } from 'node:fs'
import { numberOf } from '../bytes.ts'
import { SystemError, close, getdents, lseek, open, unlink } from '../system-calls.ts'
import { AT_FDCWD, renameat2 } from '../system-calls.ts'
import { flagsOf, type Operations } from './operation.ts'

const CREATE = flagsOf('O_CREAT|O_EXCL|O_WRONLY')
/** A listing with this many names per existing name counts as endless. */
const ENDLESS = 20

export interface Entry {
  ino: number
  name: string
  /** Position of the listing after this entry. */
  next: bigint
}

/** One call of getdents64(2): some entries, or none at the end. */
export function entriesOf(fd: number, sizeBytes = 4096): Entry[] {
  const bytes = Buffer.alloc(sizeBytes)
  const length = getdents(fd, bytes, bytes.length)
  const entries: Entry[] = []
  for (let at = 0; at < length; at += bytes.readUInt16LE(at + 16)) {
    const end = bytes.indexOf(0, at + 19)
    entries.push({
      ino: Number(bytes.readBigUInt64LE(at)),
      name: bytes.toString('utf8', at + 19, end),
      next: bytes.readBigInt64LE(at + 8),
    })
  }
  return entries
}

function isDots({ name }: Entry): boolean {
  return name === '.' || name === '..'
}

/** All names in the order of the listing; calls `each` after every entry. */
function walk(fd: number, bound: number, each: (name: string, at: number) => void): string[] {
  const names: string[] = []
  for (;;) {
    const entries = entriesOf(fd)
    if (entries.length === 0) return names
    for (const { name } of entries.filter((entry) => !isDots(entry))) {
      if (names.push(name) > bound) throw new SystemError('ELISTENDLESS')
      each(name, names.length)
    }
  }
}

/** Changes to a directory during a listing; NAME is the entry listed last. */
const CHANGES: Readonly<Record<string, (directory: string, name: string, at: number) => void>> = {
  renamed: (directory, name) => rename(directory, name, `${name}.renamed`),
  renamedBack: (directory, name) => {
    rename(directory, name, `${name}.away`)
    rename(directory, `${name}.away`, name)
  },
  linked: (directory, name) => rename(directory, name, name),
  moved: (directory, name) => {
    renameat2(AT_FDCWD, `${directory}/${name}`, AT_FDCWD, `${directory}.moved/${name}`, 0)
  },
  removed: (directory, name) => {
    unlink(`${directory}/${name}`)
  },
  replaced: (directory, name, at) => {
    close(open(`${directory}/new${at}`, CREATE, 0o644))
    rename(directory, `new${at}`, name)
  },
  exchanged: (directory, name) => {
    renameat2(AT_FDCWD, `${directory}/${name}`, AT_FDCWD, `${directory}/f0`, name === 'f0' ? 0 : 2)
  },
}

function rename(directory: string, name: string, made: string): void {
  renameat2(AT_FDCWD, `${directory}/${name}`, AT_FDCWD, `${directory}/${made}`, 0)
}

/**
 * How often names that existed throughout, or at the start, were listed: for example `100 once`.
 */
function countsOf(names: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  const often = [...counts.values()].filter((count) => count > 1).length
  return `${counts.size} names` + (often > 0 ? `, ${often} of them several times` : '')
}

export const directories: Operations = {
  /** list NAME: sorted names. */
  list(_, [name]) {
    return readdirSync(name!).sort().join(' ') || 'empty'
  },
  /** count NAME: entries of one complete listing. */
  count(_, [name]) {
    return countsOf(readdirSync(name!))
  },
  /**
   * walk DIRECTORY COUNT CHANGE: lists COUNT files and CHANGEs each right after it was listed;
   * prints how many of their names were listed. ext4 may list a renamed file again by its new name.
   */
  walk(_, [directory, count, change]) {
    const fd = open(directory!, flagsOf('O_RDONLY|O_DIRECTORY'), 0)
    try {
      const seen = new Set<string>()
      const names = walk(fd, ENDLESS * numberOf(count), (name, at) => {
        if (seen.has(name) || !/^f\d+$/.test(name)) return
        seen.add(name)
        CHANGES[change!]!(directory!, name, at)
      })
      return `${new Set(names.filter(isOriginal)).size} names`
    } finally {
      close(fd)
    }
  },
  /**
   * walkAround DIRECTORY MADE REMOVED: creates MADE and removes REMOVED other files during a
   * listing.
   */
  walkAround(_, [directory, created, removed]) {
    const fd = open(directory!, flagsOf('O_RDONLY|O_DIRECTORY'), 0)
    try {
      const names = walk(fd, 100_000, (_name, at) => {
        if (at <= numberOf(created)) close(open(`${directory}/new${at}`, CREATE, 0o644))
        if (at <= numberOf(removed)) unlink(`${directory}/gone${at - 1}`)
      })
      return countsOf(names.filter(isOriginal))
    } finally {
      close(fd)
    }
  },
  /** seeks DIRECTORY: seeking to each position of a listing leads to the entry that followed it. */
  seeks(_, [directory]) {
    const fd = open(directory!, flagsOf('O_RDONLY|O_DIRECTORY'), 0)
    try {
      const all: Entry[] = []
      for (let part = entriesOf(fd); part.length > 0; part = entriesOf(fd)) all.push(...part)
      const wrong = all.filter(({ next }, at) => {
        lseek(fd, next, 0)
        return entriesOf(fd)[0]?.name !== all[at + 1]?.name
      })
      return wrong.length === 0 ? 'right' : `wrong after ${wrong[0]?.name}`
    } finally {
      close(fd)
    }
  },
  /** entries FILE [SIZE]: the next names of an open directory, sorted, or `end`. */
  entries(process, [file, size = '64K']) {
    const entries = entriesOf(process.file(file), numberOf(size))
    if (entries.length === 0) return 'end'
    return entries
      .map(({ name }) => name)
      .sort()
      .join(' ')
  },
  /** take FILE: reads the next few names; prints whether there were any. */
  take(process, [file]) {
    return entriesOf(process.file(file), 280).length > 0 ? 'some' : 'none'
  },
  rewind(process, [file]) {
    lseek(process.file(file), 0, 0)
    return undefined
  },
}

function isOriginal(name: string): boolean {
  return /^f\d+$/.test(name)
}
