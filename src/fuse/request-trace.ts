/**
 * One line per request for people who want to see what the kernel asks and what it is told, e.g.
 * `#42 LOOKUP ino=1 "a\nb" -> 128 bytes 37us`. Names are escaped as JSON strings (bytes that are no
 * UTF-8 show as U+FFFD), so that a name can neither break a line nor move a cursor.
 */
import { writeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { noReply } from './exchange.ts'
import { opcodeName, type OpcodeName } from './opcode.ts'
import { REQUEST_HEADER_BYTES, type RequestReader } from './request-reader.ts'

/** Where in the body the names of a request start, and how many follow each other. */
const NAMES: Partial<Record<OpcodeName, readonly [at: number, count: number]>> = {
  LOOKUP: [0, 1],
  SYMLINK: [0, 2],
  MKNOD: [16, 1],
  MKDIR: [8, 1],
  UNLINK: [0, 1],
  RMDIR: [0, 1],
  RENAME: [8, 2],
  RENAME2: [16, 2],
  LINK: [8, 1],
  CREATE: [16, 1],
  SETXATTR: [8, 1],
  GETXATTR: [8, 1],
  REMOVEXATTR: [0, 1],
}

/** Requests that start with handle, offset and size. */
const RANGES = new Set(['READ', 'WRITE', 'READDIR', 'READDIRPLUS'])

/** A sink of lines: a trace that cannot be written must not disturb what it traces. */
export function traceTo(fd: number | undefined): ((line: string) => void) | undefined {
  if (fd === undefined) return undefined
  return (line) => {
    try {
      writeSync(fd, `[FUSE] ${line}\n`)
    } catch {
      // A full pipe or a closed terminal: this line is lost.
    }
  }
}

/** The request, without its outcome. */
export function describeRequest(request: RequestReader): string {
  const name = opcodeName(request.opcode)
  const parts = [`#${request.unique}`, name, `ino=${request.nodeid}`]
  const names = NAMES[name as OpcodeName]
  if (names !== undefined) parts.push(...namesOf(request, names[0], names[1]))
  if (RANGES.has(name)) {
    parts.push(`fh=${request.u64(0)}`, `offset=${request.u64(8)}`, `size=${request.u32(16)}`)
  }
  if (name === 'INTERRUPT') parts.push(`of=#${request.uniqueAt(0)}`)
  return parts.join(' ')
}

function namesOf(request: RequestReader, at: number, count: number): string[] {
  const found: string[] = []
  let start = REQUEST_HEADER_BYTES + at
  for (let n = 0; n < count; n++) {
    const stop = request.bytes.indexOf(0, start)
    if (stop < 0 || stop > request.end) break
    found.push(JSON.stringify(Buffer.from(request.bytes.slice(start, stop)).toString()))
    start = stop + 1
  }
  return found
}

/** What a handler's result means. */
export function describeResult(result: number): string {
  if (result === noReply) return 'no reply'
  if (result >= 0) return `${result} bytes`
  try {
    return getSystemErrorName(result)
  } catch {
    return `errno ${-result}`
  }
}
