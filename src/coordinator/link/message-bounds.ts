/**
 * Checks a MessagePack message before it is decoded: a few bytes can claim arrays of millions of
 * elements, or deeply nested arrays, and the decoder would allocate memory for them. Each kind of
 * message has its own maximum size. A message whose kind is unknown, or not at its start, gets the
 * smallest one.
 *
 * Format: github.com/msgpack/msgpack/blob/master/spec.md
 */
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'

/** Bytes of content after a type, by the first byte of the type; 0xc0 to 0xc3 have none. */
const FIXED = new Map([
  [0xca, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
  [0xd4, 2],
  [0xd5, 3],
  [0xd6, 5],
  [0xd7, 9],
  [0xd8, 17],
])
/** Bytes of the length after a type, and further bytes that the length does not count. */
const COUNTED = new Map([
  [0xc4, [1, 0]],
  [0xc5, [2, 0]],
  [0xc6, [4, 0]],
  [0xc7, [1, 1]],
  [0xc8, [2, 1]],
  [0xc9, [4, 1]],
  [0xd9, [1, 0]],
  [0xda, [2, 0]],
  [0xdb, [4, 0]],
])
/** Bytes of the length after a type, and values per unit of the length. */
const CONTAINERS = new Map([
  [0xdc, [2, 1]],
  [0xdd, [4, 1]],
  [0xde, [2, 2]],
  [0xdf, [4, 2]],
])

/** Maximum bytes of the kinds that may exceed the smallest bound. */
const KIND_BYTES = new Map([
  ['hello', coordinatorLimits.linkHelloBytes],
  ['written', coordinatorLimits.linkListBytes],
  ['returned', coordinatorLimits.linkListBytes],
  ['closed', coordinatorLimits.linkListBytes],
  ['applied', coordinatorLimits.linkListBytes],
])
const VALUE_BYTES = coordinatorLimits.linkValueBytes + coordinatorLimits.linkSmallBytes
/** Maximum bytes of operations, by name. */
const OPERATION_BYTES = new Map([
  ['commitContent', coordinatorLimits.linkMessageBytes],
  ['commitContents', coordinatorLimits.linkMessageBytes],
  ['markAllDurable', coordinatorLimits.linkListBytes],
  ['emptyTrash', coordinatorLimits.linkListBytes],
  // With the target of a symbolic link, or the value of an attribute.
  ['create', VALUE_BYTES],
  ['createOrphan', VALUE_BYTES],
  ['setXattr', VALUE_BYTES],
])

/** EINVAL if the message is larger than its kind can be. */
export function checkSize(data: Uint8Array): void {
  if (data.length <= coordinatorLimits.linkSmallBytes) return
  const [kind, name] = headOf(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  const bytes = kind === 'operation' ? OPERATION_BYTES.get(name) : KIND_BYTES.get(kind)
  const most = bytes ?? coordinatorLimits.linkSmallBytes
  if (data.length <= most) return
  const what = kind === 'operation' ? name : kind
  throw invalid(`(${what || 'of no kind'}) has ${data.length} bytes, and at most ${most} fit`)
}

/** `kind` and `name` of a map that starts with them, as nodes send it; otherwise empty. */
function headOf(bytes: Buffer): [kind: string, name: string] {
  const first = bytes[0]!
  if (first < 0x80 || first >= 0x90) return ['', '']
  const kind = textBehind(bytes, 1, 'kind')
  const name = textBehind(bytes, kind.next, 'name')
  return [kind.text, name.text]
}

/** The short text that follows a key. */
function textBehind(bytes: Buffer, at: number, key: string): { text: string; next: number } {
  const begin = at + 1 + key.length
  const length = bytes[begin]! - 0xa0
  const isKey = bytes[at] === 0xa0 + key.length && bytes.toString('latin1', at + 1, begin) === key
  if (!isKey || !(length >= 0 && length < 0x20)) return { text: '', next: at }
  const next = begin + 1 + length
  return { text: bytes.toString('latin1', begin + 1, next), next }
}

/** EINVAL if the message nests too deeply, or claims more values than it has bytes. */
export function checkBounds(data: Uint8Array): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  /** Values still to come, for each open container. */
  const open: number[] = []
  for (let at = 0; at < bytes.length;) {
    const { next, values } = tokenAt(bytes, at)
    at = next
    if (values > bytes.length - at) throw invalid('claims more than it has')
    if (values > 0) {
      open.push(values)
      if (open.length > coordinatorLimits.linkNesting) throw invalid('nests too deeply')
      continue
    }
    while (open.length > 0 && --open[open.length - 1]! === 0) open.pop()
  }
}

/** Start of the next token, and the number of values in this one. */
function tokenAt(bytes: Buffer, at: number): { next: number; values: number } {
  const type = bytes[at]!
  if (type < 0x80 || type >= 0xe0) return { next: at + 1, values: 0 }
  if (type < 0x90) return { next: at + 1, values: 2 * (type & 0x0f) }
  if (type < 0xa0) return { next: at + 1, values: type & 0x0f }
  if (type < 0xc0) return { next: at + 1 + (type & 0x1f), values: 0 }
  const container = CONTAINERS.get(type)
  const [lengthBytes = 0, factor = 0] = container ?? COUNTED.get(type) ?? []
  const begin = at + 1 + lengthBytes
  if (begin > bytes.length) throw invalid('is cut off')
  const length = lengthBytes === 0 ? 0 : bytes.readUIntBE(at + 1, lengthBytes)
  if (container) return { next: begin, values: length * factor }
  return { next: begin + length + factor + (FIXED.get(type) ?? 0), values: 0 }
}

function invalid(what: string): FsError {
  return new FsError('EINVAL', `a message of the link ${what}`)
}
