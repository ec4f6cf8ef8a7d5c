/**
 * Many files of 4 KiB in one directory, processed one by one: created, looked up, read, listed,
 * renamed, removed. Typical of a source tree or a dataset of small samples.
 */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { counted, timed, type Measured, type Place, type Workload } from './workload.ts'

const FILE_BYTES = 4096
const content = Buffer.alloc(FILE_BYTES, 'small file')
const buffer = Buffer.alloc(FILE_BYTES)
const group = 'Small files, 4 KiB, one directory'

export const fileWorkloads: readonly Workload[] = [
  {
    group,
    name: 'create, write, close',
    unit: 'op/s',
    before: 'as they are',
    isNeeded: true,
    run: create,
  },
  { group, name: 'stat, hot', unit: 'op/s', before: 'as they are', run: hot(stat) },
  { group, name: 'stat, names dropped', unit: 'op/s', before: 'names', run: stat },
  { group, name: 'open, read, close, hot', unit: 'op/s', before: 'as they are', run: hot(read) },
  {
    group,
    name: 'open, read, close, all dropped',
    unit: 'op/s',
    before: 'pages and names',
    run: read,
  },
  { group, name: 'readdir, names dropped', unit: 'op/s', before: 'names', run: list },
  { group, name: 'ls -l, names dropped', unit: 'op/s', before: 'names', run: listLong },
  { group, name: 'rename', unit: 'op/s', before: 'as they are', run: rename },
  { group, name: 'unlink', unit: 'op/s', before: 'as they are', isLast: true, run: unlink },
]

/** Measures the second of two runs. */
function hot(run: (place: Place) => Measured): (place: Place) => Measured {
  return (place) => {
    run(place)
    return run(place)
  }
}

function create(place: Place): Measured {
  const { files, budgetMs, names } = place
  mkdirSync(directoryOf(place))
  return counted(files, budgetMs, (at) => {
    const name = `file-${String(at).padStart(6, '0')}`
    const fd = openSync(join(directoryOf(place), name), 'wx')
    try {
      writeSync(fd, content)
    } finally {
      closeSync(fd)
    }
    names.push(name)
  })
}

function stat(place: Place): Measured {
  return each(place, (path) => {
    if (statSync(path).size !== FILE_BYTES) throw new Error(`${path} has a wrong size`)
  })
}

function read(place: Place): Measured {
  return each(place, (path) => {
    const fd = openSync(path, 'r')
    try {
      const count = readSync(fd, buffer)
      if (count !== FILE_BYTES) throw new Error(`${count} bytes of ${path} were read`)
    } finally {
      closeSync(fd)
    }
    if (!buffer.equals(content)) throw new Error(`${path} has wrong bytes`)
  })
}

function list(place: Place): Measured {
  return timed(place.names.length, () => {
    listed(place)
  })
}

function listLong(place: Place): Measured {
  const directory = directoryOf(place)
  return timed(place.names.length, () => {
    for (const name of listed(place)) lstatSync(join(directory, name))
  })
}

function listed(place: Place): string[] {
  const found = readdirSync(directoryOf(place))
  if (found.length !== place.names.length) {
    throw new Error(`${found.length} of ${place.names.length} files were listed`)
  }
  return found
}

function rename(place: Place): Measured {
  const { names } = place
  return each(place, (path, at) => {
    const name = `renamed-${String(at).padStart(6, '0')}`
    renameSync(path, join(directoryOf(place), name))
    names[at] = name
  })
}

function unlink(place: Place): Measured {
  return each(place, (path) => unlinkSync(path))
}

function each(place: Place, step: (path: string, at: number) => void): Measured {
  const directory = directoryOf(place)
  const { names, budgetMs } = place
  if (names.length === 0) throw new Error('no file was created')
  return counted(names.length, budgetMs, (at) => step(join(directory, names[at]!), at))
}

function directoryOf({ directory }: Place): string {
  return join(directory, 'small')
}
