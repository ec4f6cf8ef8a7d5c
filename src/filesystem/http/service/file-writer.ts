/**
 * PUT and DELETE of files.
 *
 * Invariants: a request that cannot succeed is refused before its body is read, and before `100
 * Continue`. A body that ends early, is too long, or whose client disconnects leaves the old file
 * unchanged. Preconditions hold at the moment of the change: they are checked before the body and
 * again when it is complete, one request per path at a time, and the file system replaces only the
 * version that the request names.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { KeyedMutex } from '../../../base/async/keyed-mutex.ts'
import type { Permit } from '../../../base/async/semaphore.ts'
import { FsError, codeOf } from '../../../base/fs-error.ts'
import type { ReplaceOptions } from '../../file-system.ts'
import type { Stats } from '../../stats.ts'
import { jsonAnswer } from './file-request.ts'
import type { FileAnswer, FileRequest, ServedFiles } from './file-request.ts'
import { HttpError } from './http-error.ts'
import { judge, preconditionFailed, quoted } from './preconditions.ts'
import { fileBodyRefusal } from './request-framing.ts'

export type WrittenAttributes = Pick<ReplaceOptions, 'mode' | 'mtimeMs'>

export class FileWriter {
  readonly #files: ServedFiles
  readonly #maxUploadBytes: number
  readonly #turns = new KeyedMutex<string>()

  constructor(files: ServedFiles, maxUploadBytes: number) {
    this.#files = files
    this.#maxUploadBytes = maxUploadBytes
  }

  async put(request: FileRequest, attributes: WrittenAttributes = {}): Promise<FileAnswer> {
    const { path, signal, headers } = request
    this.#checkHeaders(request)
    let before = await this.#checkTarget(request)
    const only = versionNamed(headers, before)
    request.onAccept?.()
    let turn: Permit | undefined
    const atTheEnd = async (): Promise<void> => {
      turn = await this.#turns.acquire(path, { signal })
      before = await this.#checkTarget(request)
    }
    const body = new CheckedBody(this.#body(request, atTheEnd))
    try {
      const stats = await this.#files
        .replace(path, body.pieces(), { ...attributes, ...only, signal })
        .catch((error: unknown) => {
          if (body.error !== undefined) throw body.error
          if (only.ifMatch !== undefined && codeOf(error) === 'ESTALE') {
            throw preconditionFailed(path, error)
          }
          throw error
        })
      const answer = { path, size: stats.size }
      return jsonAnswer(before === undefined ? 201 : 200, answer, { etag: quoted(stats) })
    } finally {
      turn?.release()
    }
  }

  async remove(request: FileRequest): Promise<FileAnswer> {
    const { path, signal, isDirectory } = request
    using _turn = await this.#turns.acquire(path, { signal })
    const stats = await this.#files.lstat(path, { signal })
    if (isDirectory && !stats.isDirectory()) {
      throw new FsError('ENOTDIR', 'a path that ends in a slash is a directory', { path })
    }
    checkConditions(request, stats)
    if (stats.isDirectory()) await this.#files.rmdir(path, { signal })
    else await this.#files.unlink(path, { signal })
    return { status: 204, headers: {} }
  }

  #checkHeaders({ headers, isDirectory, path }: FileRequest): void {
    if (isDirectory) {
      throw new FsError('EISDIR', 'a path that ends in a slash is a directory', { path })
    }
    const refusal = fileBodyRefusal({ headers })
    if (refusal) throw new HttpError(refusal.status, refusal.code, refusal.message, { path })
    if (Number(headers['content-length'] ?? 0) > this.#maxUploadBytes) throw this.#tooLarge(path)
  }

  /** The current file, if any; throws if it must not be replaced. */
  async #checkTarget(request: FileRequest): Promise<Stats | undefined> {
    const { path, signal } = request
    let stats: Stats | undefined
    try {
      stats = await this.#files.stat(path, { signal })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    if (stats?.isDirectory()) throw new FsError('EISDIR', `${path} is a directory`, { path })
    checkConditions(request, stats)
    return stats
  }

  /** The body, then `atTheEnd`: if that throws, the write fails as for a broken body. */
  async *#body(
    { body, path }: FileRequest,
    atTheEnd: () => Promise<void>,
  ): AsyncGenerator<Uint8Array> {
    let received = 0
    for await (const piece of body) {
      received += piece.length
      if (received > this.#maxUploadBytes) throw this.#tooLarge(path)
      yield piece
    }
    await atTheEnd()
  }

  #tooLarge(path: string): FsError {
    return new FsError('EFBIG', `more than the ${this.#maxUploadBytes} bytes allowed`, { path })
  }
}

/** Keeps the error of a body: file systems and their clients wrap it in their own. */
class CheckedBody {
  readonly #source: AsyncGenerator<Uint8Array>
  error: Error | undefined

  constructor(source: AsyncGenerator<Uint8Array>) {
    this.#source = source
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#source
    } catch (error) {
      this.error = error instanceof Error ? error : new Error(String(error))
      throw error
    }
  }
}

function checkConditions({ method, headers, path }: FileRequest, stats?: Stats): void {
  if (judge(method, headers, stats) === 'go on') return
  if (headers['if-none-match'] === undefined) throw preconditionFailed(path)
  throw new HttpError(412, 'EEXIST', 'the file is not as the request expects', { path })
}

/** The version that a request, whose conditions hold, wants to replace; null: none. */
function versionNamed(
  headers: IncomingHttpHeaders,
  stats: Stats | undefined,
): Pick<ReplaceOptions, 'ifMatch'> {
  if (headers['if-none-match']?.trim() === '*') return { ifMatch: null }
  const wanted = headers['if-match']?.trim() ?? '*'
  return wanted === '*' || stats === undefined ? {} : { ifMatch: stats.etag }
}
