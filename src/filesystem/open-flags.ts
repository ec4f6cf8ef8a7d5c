/**
 * Parses the flags of `open`, given as text (`r`, `w+`, `ax`) or as the numbers of Linux in
 * `fs.constants`, so that implementations use fields instead of bits.
 */
import { O_APPEND, O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY } from '../base/open-bits.ts'
import { failure } from './failure.ts'

export interface OpenFlags {
  read: boolean
  write: boolean
  create: boolean
  exclusive: boolean
  truncate: boolean
  append: boolean
}

export function parseFlags(flags: string | number, path: string): OpenFlags {
  if (typeof flags === 'number') return fromNumber(flags)
  const match = /^(r|w|a)(?=[sx+]*$)/.exec(flags)
  const rest = flags.slice(1)
  const [base] = match ?? []
  if (base === undefined || (base === 'r' && rest.includes('x'))) {
    throw failure('EINVAL', 'open', path, { text: `invalid flags: '${flags}'` })
  }
  const both = rest.includes('+')
  return {
    read: base === 'r' || both,
    write: base !== 'r' || both,
    create: base !== 'r',
    exclusive: rest.includes('x'),
    truncate: base === 'w',
    append: base === 'a',
  }
}

function fromNumber(flags: number): OpenFlags {
  const both = (flags & O_RDWR) !== 0
  const write = both || (flags & O_WRONLY) !== 0
  return {
    read: both || !write,
    write,
    create: (flags & O_CREAT) !== 0,
    exclusive: (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0,
    truncate: write && (flags & O_TRUNC) !== 0,
    append: (flags & O_APPEND) !== 0,
  }
}

/** The flags as a number for `node:fs`. */
export function toNumber(flags: OpenFlags): number {
  const access = flags.read ? (flags.write ? O_RDWR : 0) : O_WRONLY
  return (
    access |
    (flags.create ? O_CREAT : 0) |
    (flags.exclusive ? O_EXCL : 0) |
    (flags.truncate ? O_TRUNC : 0) |
    (flags.append ? O_APPEND : 0)
  )
}
