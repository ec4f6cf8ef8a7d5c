/**
 * Conversion of file contents: text in an encoding, any view of bytes, or a stream of these. In
 * Node, results are `Buffer`s, as code written for `node:fs` expects; in a browser, plain
 * `Uint8Array`s.
 */
import { FsError } from '../base/fs-error.ts'

/** Content that can be written to a file. */
export type Content =
  string | ArrayBufferView | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** Any encoding of Node's Buffer, such as `utf8` or `base64`; in a browser, of TextDecoder. */
export type TextEncoding = BufferEncoding

const encoder = new TextEncoder()

export function bytesOf(data: string | ArrayBufferView, encoding?: TextEncoding): Uint8Array {
  if (typeof data !== 'string') {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  }
  const isUtf8 = encoding === undefined || encoding === 'utf8' || encoding === 'utf-8'
  return isUtf8 ? encoder.encode(data) : Buffer.from(data, encoding)
}

/** The content as a stream of byte arrays. */
export async function* piecesOf(
  content: Content,
  encoding?: TextEncoding,
): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string' || ArrayBuffer.isView(content)) {
    yield bytesOf(content, encoding)
    return
  }
  if (!isIterable(content)) {
    throw new FsError('EINVAL', 'content must be text, bytes or a stream of them')
  }
  for await (const piece of content) yield bytesOf(piece, encoding)
}

/** Copies of the pieces, for consumers that keep a piece while they request the next one. */
export async function* ownPieces(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const piece of source) yield new Uint8Array(piece)
}

function isIterable(content: unknown): boolean {
  if (typeof content !== 'object' || content === null) return false
  return Symbol.asyncIterator in content || Symbol.iterator in content
}

/** A Buffer on the same memory, as callers in Node expect. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (typeof Buffer === 'undefined') return bytes as Buffer
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
}

export function textOf(bytes: Uint8Array, encoding: TextEncoding): string {
  if (typeof Buffer !== 'undefined') return asBuffer(bytes).toString(encoding)
  return new TextDecoder(encoding).decode(bytes)
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    all.push(piece)
    length += piece.length
  }
  if (all.length === 1) return all[0]!
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of all) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
