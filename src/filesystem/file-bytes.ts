/**
 * Contents as callers give and take them: text in an encoding, any view of bytes, or a stream of
 * these. In Node results are `Buffer`s, as code written for `node:fs` expects; a browser has none
 * and gets plain `Uint8Array`s.
 */
import { FsError } from '../base/fs-error.ts'

/** What a file can be written from. */
export type Content =
  string | ArrayBufferView | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** `utf8`, `base64` and whatever else Node's Buffer knows; in a browser what TextDecoder knows. */
export type TextEncoding = BufferEncoding

const encoder = new TextEncoder()

export function bytesOf(data: string | ArrayBufferView, encoding?: TextEncoding): Uint8Array {
  if (typeof data !== 'string') {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  }
  const isUtf8 = encoding === undefined || encoding === 'utf8' || encoding === 'utf-8'
  return isUtf8 ? encoder.encode(data) : Buffer.from(data, encoding)
}

/** In pieces, whatever it is given as. */
export async function* piecesOf(
  content: Content,
  encoding?: TextEncoding,
): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string' || ArrayBuffer.isView(content)) {
    yield bytesOf(content, encoding)
    return
  }
  if (!isIterable(content)) throw new FsError('EINVAL', 'write text, bytes or a stream of them')
  for await (const piece of content) yield bytesOf(piece, encoding)
}

/** Copies, for who keeps a piece when it asks for the next. */
export async function* ownPieces(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const piece of source) yield new Uint8Array(piece)
}

function isIterable(content: unknown): boolean {
  if (typeof content !== 'object' || content === null) return false
  return Symbol.asyncIterator in content || Symbol.iterator in content
}

/** The same memory, as what callers in Node expect. */
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
