/**
 * Files over HTTP (RFC 9110): GET and HEAD with ranges and preconditions, PUT, DELETE. Each server
 * translates its requests to `FileRequest`, and sends the `FileAnswer` or the error with the status
 * of `http-error.ts`, so that all of them behave the same.
 */
import type { Stats } from '../../stats.ts'
import { FileReader } from './file-reader.ts'
import type { FileAnswer, FileRequest, ServedFiles } from './file-request.ts'
import { FileWriter, type WrittenAttributes } from './file-writer.ts'
import { HttpError } from './http-error.ts'

export interface FileServiceOptions {
  /** Bytes of the largest file that can be written; default: no bound. */
  maxUploadBytes?: number
}

const METHODS = 'GET, HEAD, PUT, DELETE'

export class FileService {
  readonly #reader: FileReader
  readonly #writer: FileWriter

  constructor(files: ServedFiles, { maxUploadBytes = Infinity }: FileServiceOptions = {}) {
    this.#reader = new FileReader(files)
    this.#writer = new FileWriter(files, maxUploadBytes)
  }

  /** Throws an `FsError`. `attributes`: those that a PUT sets. */
  async answer(request: FileRequest, attributes?: WrittenAttributes): Promise<FileAnswer> {
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return await this.#reader.answer(request)
      case 'PUT':
        return await this.#writer.put(request, attributes)
      case 'DELETE':
        return await this.#writer.remove(request)
      default: {
        const headers = { allow: METHODS }
        const message = `${request.method} is not supported for files`
        throw new HttpError(405, 'EOPNOTSUPP', message, { headers })
      }
    }
  }

  /** The file at the path; ENOENT if there is none. */
  async file(path: string, signal: AbortSignal): Promise<Stats> {
    return await this.#reader.file(path, signal)
  }
}
