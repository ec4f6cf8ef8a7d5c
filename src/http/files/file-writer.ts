/**
 * PUT and DELETE of `/api/files/{path}`.
 *
 * Invariants: a request that cannot succeed is refused before its body is read, and before `100
 * Continue`. A body that ends early, is too long, or whose client disconnects leaves the old file
 * unchanged. Preconditions hold at the moment of the change: they are checked before the body and
 * again when it is complete, one request per path at a time. This prevents lost updates between
 * requests to this node; the mount and other nodes do not take this lock.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FsError, codeOf } from '../../base/fs-error.ts'
import { KeyedMutex } from '../../base/async/keyed-mutex.ts'
import type { Permit } from '../../base/async/semaphore.ts'
import type { FileStat, FileStore } from '../../filesystem/file-store.ts'
import { fileBodyRefusal } from '../../filesystem/http/request-framing.ts'
import { clientSignal } from '../server/client-signal.ts'
import { filePath, namesDirectory } from './file-path.ts'
import { HttpError } from '../server/http-error.ts'
import { judge, quoted } from './preconditions.ts'

export interface FileWriterOptions {
  files: FileStore
  prefix: string
  maxUploadBytes: number
}

export class FileWriter {
  readonly #files: FileStore
  readonly #prefix: string
  readonly #maxUploadBytes: number
  readonly #turns = new KeyedMutex<string>()

  constructor(options: FileWriterOptions) {
    this.#files = options.files
    this.#prefix = options.prefix
    this.#maxUploadBytes = options.maxUploadBytes
  }

  async put(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const path = filePath(request.raw.url ?? '', this.#prefix)
    const signal = clientSignal(reply)
    this.#checkHeaders(request, path)
    await this.#checkTarget(request, path, signal)
    if (request.headers.expect !== undefined) reply.raw.writeContinue()
    let turn: Permit | undefined
    let before: FileStat | undefined
    const atTheEnd = async (): Promise<void> => {
      turn = await this.#turns.acquire(path, { signal })
      before = await this.#checkTarget(request, path, signal)
    }
    try {
      const stat = await this.#files.writeFile(path, this.#body(request, path, atTheEnd), {
        parents: true,
        maxBytes: this.#maxUploadBytes,
        signal,
      })
      reply.code(before === undefined ? 201 : 200).header('etag', quoted(stat))
      return await reply.send({ path, size: stat.size })
    } finally {
      turn?.release()
    }
  }

  async remove(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const path = filePath(request.raw.url ?? '', this.#prefix)
    const signal = clientSignal(reply)
    const turn = await this.#turns.acquire(path, { signal })
    try {
      const stat = await this.#files.lstat(path, { signal })
      if (namesDirectory(request.raw.url ?? '') && !stat.isDirectory()) {
        throw new FsError('ENOTDIR', 'a path that ends in a slash is a directory', { path })
      }
      this.#checkConditions(request, path, stat)
      await this.#files.remove(path, { signal })
      return await reply.code(204).send()
    } finally {
      turn.release()
    }
  }

  #checkHeaders({ headers, raw }: FastifyRequest, path: string): void {
    if (namesDirectory(raw.url ?? '')) {
      throw new FsError('EISDIR', 'a path that ends in a slash is a directory', { path })
    }
    const refusal = fileBodyRefusal({ headers })
    if (refusal) throw new HttpError(refusal.status, refusal.code, refusal.message, { path })
    if (Number(headers['content-length'] ?? 0) > this.#maxUploadBytes) throw this.#tooLarge(path)
  }

  /** The current file, if any; throws if it must not be replaced. */
  async #checkTarget(
    request: FastifyRequest,
    path: string,
    signal: AbortSignal,
  ): Promise<FileStat | undefined> {
    let stat: FileStat | undefined
    try {
      stat = await this.#files.stat(path, { signal })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    if (stat?.isDirectory()) throw new FsError('EISDIR', `${path} is a directory`, { path })
    this.#checkConditions(request, path, stat)
    return stat
  }

  #checkConditions({ method, headers }: FastifyRequest, path: string, stat?: FileStat): void {
    if (judge(method, headers, stat) === 'go on') return
    const code = headers['if-none-match'] === undefined ? 'ESTALE' : 'EEXIST'
    throw new HttpError(412, code, 'the file is not as the request expects', { path })
  }

  /** The body, then `atTheEnd`: if that throws, the write fails as for a broken body. */
  async *#body(
    { raw }: FastifyRequest,
    path: string,
    atTheEnd: () => Promise<void>,
  ): AsyncGenerator<Uint8Array> {
    let received = 0
    const cutOff = (cause?: unknown): FsError => {
      return new FsError('ECANCELED', 'the body was cut off', { path, cause })
    }
    // By default, leaving the loop would destroy the connection, and the response with it.
    const chunks = raw.iterator({ destroyOnReturn: false })
    for (;;) {
      const next = await chunks.next().catch((cause: unknown) => Promise.reject(cutOff(cause)))
      if (next.done === true) break
      const chunk = next.value as Buffer
      received += chunk.length
      if (received > this.#maxUploadBytes) throw this.#tooLarge(path)
      yield chunk
    }
    if (!raw.complete) throw cutOff()
    await atTheEnd()
  }

  #tooLarge(path: string): FsError {
    return new FsError('EFBIG', `more than the ${this.#maxUploadBytes} bytes allowed`, { path })
  }
}
