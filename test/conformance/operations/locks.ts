/** Operations on locks: record locks (fcntl(2)), open file description locks, and flock(2). */
import { numberOf } from '../bytes.ts'
import { fcntlLock, flock } from '../system-calls.ts'
import type { Operation, Operations } from './operation.ts'

const TYPES = ['read', 'write', 'unlock']
const [F_GETLK, F_SETLK, F_SETLKW] = [5, 6, 7] as const
const [F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW] = [36, 37, 38] as const
const WHENCE: Readonly<Record<string, number>> = { SET: 0, CUR: 1, END: 2 }

/** Encodes a `struct flock`. */
function lockOf([type, start, length, whence = 'SET']: readonly string[]): Buffer {
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(TYPES.indexOf(type ?? ''), 0)
  lock.writeInt16LE(WHENCE[whence] ?? 99, 2)
  lock.writeBigInt64LE(BigInt(numberOf(start)), 8)
  lock.writeBigInt64LE(BigInt(numberOf(length)), 16)
  return lock
}

/** OPERATION FILE read|write|unlock START LENGTH [WHENCE] */
function setting(command: number): Operation {
  return (process, [file, ...words]) => {
    fcntlLock(process.file(file), command, lockOf(words))
    return undefined
  }
}

/** Prints the conflicting lock, or `free`. */
function getting(command: number): Operation {
  return (process, [file, ...words]) => {
    const lock = lockOf(words)
    fcntlLock(process.file(file), command, lock)
    const type = TYPES[lock.readInt16LE(0)]!
    if (type === 'unlock') return 'free'
    return `${type} ${lock.readBigInt64LE(8)} ${lock.readBigInt64LE(16)}`
  }
}

const FLOCKS: Readonly<Record<string, number>> = { shared: 1, exclusive: 2, unlock: 8 }
const LOCK_NB = 4

export const locks: Operations = {
  lock: setting(F_SETLK),
  lockWaiting: setting(F_SETLKW),
  lockGet: getting(F_GETLK),
  ofdLock: setting(F_OFD_SETLK),
  ofdLockWaiting: setting(F_OFD_SETLKW),
  ofdLockGet: getting(F_OFD_GETLK),
  /** flock FILE shared|exclusive|unlock */
  flock(process, [file, kind]) {
    flock(process.file(file), FLOCKS[kind!]! | LOCK_NB)
    return undefined
  },
  flockWaiting(process, [file, kind]) {
    flock(process.file(file), FLOCKS[kind!]!)
    return undefined
  },
}
