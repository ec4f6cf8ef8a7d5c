/**
 * A request for a file and its answer, independent of the server that received it: the contract
 * between the file service and its adapters (the API of a node, `FileServer`, `answerFor`).
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { FileSystem } from '../../file-system.ts'
import type { Piece } from './paced-answer.ts'

/** What the service needs of a file system. `replace` reports a failure of its source as it is. */
export type ServedFiles = Pick<
  FileSystem,
  'stat' | 'lstat' | 'list' | 'content' | 'replace' | 'unlink' | 'rmdir'
>

export interface FileRequest {
  method: string
  headers: IncomingHttpHeaders
  /** Path in the file system. */
  path: string
  /** The path in the request ends in a slash, so it can only be a directory. */
  isDirectory: boolean
  /** Throws if the body is cut off. */
  body: AsyncIterable<Uint8Array>
  signal: AbortSignal
  /** Called before the body is read: the request has been accepted so far. */
  onAccept?: () => void
}

export interface FileAnswer {
  status: number
  headers: Record<string, string>
  /** A piece is valid until the next one is requested. Undefined: the answer has no body. */
  pieces?: AsyncGenerator<Piece>
}

export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): FileAnswer {
  const text = JSON.stringify(value)
  async function* pieces(): AsyncGenerator<Piece> {
    yield text
  }
  const type = { 'content-type': 'application/json; charset=utf-8' }
  const length = { 'content-length': String(Buffer.byteLength(text)) }
  return { status, headers: { ...type, ...length, ...headers }, pieces: pieces() }
}
