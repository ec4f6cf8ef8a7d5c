/** Operations on open files and their bytes. */
import { readFileSync } from 'node:fs'
import { bytesOf, numberOf, textOf } from '../bytes.ts'
import {
  SystemError,
  close,
  copyFileRange,
  dup,
  fallocate,
  fcntl,
  fdatasync,
  fsync,
  ftruncate,
  lseek,
  open,
  pread,
  pwrite,
  pwritev2,
  read,
  syncfs,
  write,
} from '../system-calls.ts'
import { flagsOf, modeOf, type Operations } from './operation.ts'

const FALLOCATE_FLAGS = {
  KEEP_SIZE: 1,
  PUNCH_HOLE: 2,
  COLLAPSE_RANGE: 8,
  ZERO_RANGE: 16,
  INSERT_RANGE: 32,
  UNSHARE_RANGE: 64,
  BOGUS: 1 << 20,
}
const WRITE_FLAGS = { RWF_DSYNC: 2, RWF_SYNC: 4, RWF_APPEND: 16 }
const OPEN_FLAGS = { O_PATH: 0o10000000, O_TMPFILE: 0o20200000, O_CLOEXEC: 0o2000000 }
const WHENCE: Readonly<Record<string, number>> = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 }
const F_GETFL = 3
const F_SETFL = 4

export const files: Operations = {
  /** open FILE NAME FLAGS [MODE] */
  open(process, [file, name, flags, mode]) {
    const fd = open(name!, flagsOf(flags, OPEN_FLAGS), modeOf(mode, 0o644))
    process.files.set(file!, fd)
    return undefined
  },
  close(process, [file]) {
    const fd = process.file(file)
    process.files.delete(file!)
    close(fd)
    return undefined
  },
  /** dup FILE NEW */
  dup(process, [file, made]) {
    process.files.set(made!, dup(process.file(file)))
    return undefined
  },
  /** read FILE SIZE */
  read(process, [file, size]) {
    const bytes = Buffer.alloc(numberOf(size))
    return textOf(bytes.subarray(0, read(process.file(file), bytes, bytes.length)))
  },
  /** pread FILE OFFSET SIZE */
  pread(process, [file, offset, size]) {
    const bytes = Buffer.alloc(numberOf(size))
    const length = pread(process.file(file), bytes, bytes.length, numberOf(offset))
    return textOf(bytes.subarray(0, length))
  },
  write(process, [file, text]) {
    const bytes = bytesOf(text!)
    return String(write(process.file(file), bytes, bytes.length))
  },
  /** pwrite FILE OFFSET BYTES */
  pwrite(process, [file, offset, text]) {
    const bytes = bytesOf(text!)
    return String(pwrite(process.file(file), bytes, bytes.length, numberOf(offset)))
  },
  /** pwritev2 FILE OFFSET BYTES RWF_DSYNC|RWF_SYNC|RWF_APPEND */
  pwritev2(process, [file, offset, text, flags]) {
    const bytes = bytesOf(text!)
    const parts = [{ base: bytes, length: bytes.length }]
    const fd = process.file(file)
    return String(pwritev2(fd, parts, 1, numberOf(offset), flagsOf(flags, WRITE_FLAGS)))
  },
  /** put NAME BYTES: like `>` of a shell. */
  put(_, [name, text]) {
    const bytes = bytesOf(text!)
    const fd = open(name!, flagsOf('O_WRONLY|O_CREAT|O_TRUNC'), 0o644)
    try {
      return String(write(fd, bytes, bytes.length))
    } finally {
      close(fd)
    }
  },
  /** append NAME BYTES: like `>>` of a shell. */
  append(_, [name, text]) {
    const bytes = bytesOf(text!)
    const fd = open(name!, flagsOf('O_WRONLY|O_CREAT|O_APPEND'), 0o644)
    try {
      return String(write(fd, bytes, bytes.length))
    } finally {
      close(fd)
    }
  },
  content(_, [name]) {
    return textOf(readFileSync(name!))
  },
  /** lseek FILE OFFSET SET|CUR|END|DATA|HOLE */
  lseek(process, [file, offset, whence]) {
    return String(lseek(process.file(file), numberOf(offset), WHENCE[whence ?? 'SET'] ?? 99))
  },
  fsync(process, [file]) {
    fsync(process.file(file))
    return undefined
  },
  fdatasync(process, [file]) {
    fdatasync(process.file(file))
    return undefined
  },
  /** syncfs FILE: syncs the whole file system. */
  syncfs(process, [file]) {
    syncfs(process.file(file))
    return undefined
  },
  ftruncate(process, [file, size]) {
    ftruncate(process.file(file), numberOf(size))
    return undefined
  },
  /** fallocate FILE MODE OFFSET SIZE */
  fallocate(process, [file, mode, offset, size]) {
    const flags = flagsOf(mode, FALLOCATE_FLAGS)
    fallocate(process.file(file), flags, numberOf(offset), numberOf(size))
    return undefined
  },
  /** copy FROM TO SIZE: copy_file_range(2) at the current positions of both files. */
  copy(process, [from, to, size]) {
    const [a, b] = [process.file(from), process.file(to)]
    return String(copyFileRange(a, null, b, null, numberOf(size), 0))
  },
  /** setfl FILE FLAGS: F_SETFL. */
  setfl(process, [file, flags]) {
    fcntl(process.file(file), F_SETFL, flagsOf(flags))
    return undefined
  },
  /** getfl FILE FLAGS: prints which of these flags are set. */
  getfl(process, [file, flags]) {
    const set = fcntl(process.file(file), F_GETFL, 0)
    return (
      flags!
        .split('|')
        .filter((name) => (set & flagsOf(name)) !== 0)
        .join('|') || 'none'
    )
  },
  /** repeat FILE COUNT BYTES: writes the same bytes COUNT times. */
  repeat(process, [file, count, text]) {
    const bytes = bytesOf(text!)
    for (let at = 0; at < numberOf(count); at++) {
      if (write(process.file(file), bytes, bytes.length) !== bytes.length) {
        throw new SystemError('ESHORT')
      }
    }
    return undefined
  },
}
