/**
 * Trace of requests and their results, one line each, for example `#42 LOOKUP ino=1 "a\nb" -> 128
 * bytes 37us`. Names are escaped as JSON strings (bytes that are not UTF-8 become U+FFFD), so that
 * a name can neither break a line nor move the cursor.
 */
import { writeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { noReply } from './exchange.ts'
import { opcodeName, type OpcodeName } from '../wire/opcode.ts'
import { REQUEST_HEADER_BYTES, type RequestReader } from '../wire/request-reader.ts'

/** Offset of the first name in the body, and the number of consecutive names. */
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

/** Requests whose body starts with handle, offset and size. */
const RANGES = new Set(['READ', 'WRITE', 'READDIR', 'READDIRPLUS'])

/**
 * Returns a writer of trace lines; a failed write is ignored, so that tracing cannot fail requests.
 */
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

/** The request as text, without its result. */
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

/** The result of a handler as text. */
export function describeResult(result: number): string {
  if (result === noReply) return 'no reply'
  if (result >= 0) return `${result} bytes`
  try {
    return getSystemErrorName(result)
  } catch {
    return `errno ${-result}`
  }
}
