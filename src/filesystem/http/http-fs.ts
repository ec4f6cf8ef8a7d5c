/**
 * Files behind a URL. Any web server with ranges can be read; its directories only if it lists them
 * (as JSON or as a page of links) or redirects them to a trailing slash. A CacheFS node
 * (`/api/files`) can also be written, and a `FileServer` supports everything (`operations`). It
 * uses `fetch` and nothing specific to Node, so it runs in browsers.
 *
 *     const files = new HttpFS('http://127.0.0.1:8081/api/files', { apiKey })
 *
 * A version is identified by the entity tag of the server or, without one, by size and time. Each
 * read requests the version that was looked up, so that no file is a mix of two versions.
 */
import * as z from 'zod/mini'
import { FsError } from '../../base/fs-error.ts'
import * as rule from '../../base/options.ts'
import type { OptionRule } from '../../base/options.ts'
import { failure } from '../failure.ts'
import { collect } from '../file-bytes.ts'
import { namesOf } from '../file-path.ts'
import type {
  AttributeChanges,
  CallOptions,
  ContentOptions,
  Features,
  ReplaceOptions,
} from '../file-system.ts'
import { ObjectFile } from '../object/object-file.ts'
import type { OpenFile } from '../open-file.ts'
import type { OpenFlags } from '../open-flags.ts'
import { Dirent, Stats } from '../stats.ts'
import type { FileKind, StatFields } from '../stats.ts'
import { WholeFileSystem } from '../whole-file-system.ts'
import { namesInPage } from './html-index.ts'
import { errorOf, networkError } from './http-errors.ts'

export interface HttpOptions {
  /** Sent as X-API-Key. */
  apiKey?: string | undefined
  headers?: Record<string, string> | undefined
  /** The server is a `FileServer`: directories, links and attributes can be changed. */
  operations?: boolean | undefined
}

const URL_RULE = rule.required(rule.address('the URL of a server, such as http://127.0.0.1:8080'))
const HEADERS = z.record(z.string(), z.string())
const RULES: { [K in keyof Required<HttpOptions>]: OptionRule } = {
  apiKey: rule.secret(rule.text('a key')),
  headers: rule.secret(rule.of(HEADERS, 'header fields by name, as text')),
  operations: rule.flag(),
}

interface Entry {
  name: string
  type: FileKind
  stats?: StatFields & { kind: FileKind }
}

export class HttpFS extends WholeFileSystem {
  readonly features: Features
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #isFull: boolean

  constructor(url: string, options: HttpOptions = {}) {
    super()
    rule.checkOption('HttpFS', 'url', URL_RULE, url)
    rule.checkOptions('HttpFS', RULES, options)
    this.#url = url.replace(/\/+$/, '')
    const key = options.apiKey === undefined ? {} : { 'x-api-key': options.apiKey }
    this.#headers = { ...options.headers, ...key }
    this.#isFull = options.operations ?? false
    const all = this.#isFull
    this.features = { symlinks: all, attributes: all, directories: all, handles: false }
  }

  protected async openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    let stats: Stats | undefined
    try {
      stats = await this.statFile(path, !flags.exclusive, options)
    } catch (error) {
      if (!flags.create || !(error instanceof FsError) || error.code !== 'ENOENT') throw error
    }
    if (stats !== undefined && flags.exclusive) throw failure('EEXIST', 'open', path)
    if (stats?.isDirectory() === true && flags.write) throw failure('EISDIR', 'open', path)
    if (stats === undefined || (flags.truncate && flags.write)) {
      const only = flags.exclusive ? { ifMatch: null } : {}
      stats = await this.replaceFile(path, nothing(), { ...options, ...only, mode })
    }
    const { etag, size } = stats
    return new ObjectFile({
      stats,
      isEmpty: size === 0 && !stats.isDirectory(),
      isWriter: flags.write,
      read: (start, end, call) => this.pieces(path, { ...call, start, end, ifMatch: etag }),
      save: (source, _size, bits) => this.replaceFile(path, source, { mode: bits }),
    })
  }

  protected async statFile(path: string, follow: boolean, options: CallOptions): Promise<Stats> {
    if (this.#isFull) {
      const fields = await this.#operate(follow ? 'stat' : 'lstat', path, {}, options)
      return new Stats(fields as StatFields)
    }
    if (path === '/') return new Stats({ kind: 'directory' })
    const answer = await this.#fetch('HEAD', path, options, {}, 'stat')
    await answer.body?.cancel()
    return statsOf(answer)
  }

  protected async *entries(path: string, options: CallOptions): AsyncGenerator<Dirent> {
    if (!this.#isFull) {
      yield* await this.#listing(path, options)
      return
    }
    yield* direntsOf((await this.#operate('readdir', path, {}, options)) as Entry[], path)
  }

  protected async makeDirectory(path: string, mode: number, options: CallOptions): Promise<void> {
    await this.#operate('mkdir', path, { mode }, options)
  }

  protected async removeDirectory(path: string, options: CallOptions): Promise<void> {
    if (this.#isFull) await this.#operate('rmdir', path, {}, options)
    else await (await this.#fetch('DELETE', path, options, {}, 'rmdir', true)).body?.cancel()
  }

  protected async removeFile(path: string, options: CallOptions): Promise<void> {
    if (this.#isFull) await this.#operate('unlink', path, {}, options)
    else await (await this.#fetch('DELETE', path, options, {}, 'unlink')).body?.cancel()
  }

  protected async move(from: string, to: string, options: CallOptions): Promise<void> {
    await this.#operate('rename', from, { to }, options)
  }

  protected async makeLink(target: string, path: string, options: CallOptions): Promise<void> {
    await this.#operate('symlink', path, { target }, options)
  }

  protected async readTarget(path: string, options: CallOptions): Promise<string> {
    return String(await this.#operate('readlink', path, {}, options))
  }

  protected async change(
    path: string,
    changes: AttributeChanges,
    follow: boolean,
    options: CallOptions,
  ): Promise<void> {
    await this.#operate('change', path, { changes, follow }, options)
  }

  protected async replaceFile(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions,
  ): Promise<Stats> {
    const { ifMatch, mode, mtimeMs } = options
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
    if (ifMatch === null) headers['if-none-match'] = '*'
    else if (ifMatch !== undefined) headers['if-match'] = `"${ifMatch}"`
    if (mode !== undefined) headers['x-file-mode'] = String(mode)
    if (mtimeMs !== undefined) headers['x-file-mtime-ms'] = String(mtimeMs)
    const answer = await this.#fetch('PUT', path, options, headers, 'open', false, source)
    await answer.body?.cancel()
    const now = await this.statFile(path, true, options)
    const etag = plain(answer.headers.get('etag'))
    return etag === undefined ? now : new Stats({ ...now.fields, etag })
  }

  protected override async *pieces(
    path: string,
    options: ContentOptions,
  ): AsyncGenerator<Uint8Array> {
    const { start = 0, end, ifMatch } = options
    const headers: Record<string, string> = {}
    const isRange = start > 0 || end !== undefined
    if (isRange) headers['range'] = `bytes=${start}-${end ?? ''}`
    // A server cannot match weak or made-up etags: the version in its response is compared instead.
    const isStrong = ifMatch !== undefined && !/^(time-|W\/)/.test(ifMatch)
    if (isStrong) headers['if-match'] = `"${ifMatch}"`
    const answer = await this.#fetch('GET', path, options, headers, 'read')
    if (answer.status === 416) return
    const answered = statsOf(answer)
    const tag = answered.etag
    if (answered.isDirectory()) {
      await answer.body?.cancel()
      throw failure('EISDIR', 'read', path)
    }
    if (ifMatch !== undefined && tag !== ifMatch && hasVersion(answer, isRange)) {
      await answer.body?.cancel()
      throw failure('ESTALE', 'read', path)
    }
    let skip = isRange && answer.status === 200 ? start : 0
    let left = end === undefined ? Infinity : end - start + 1
    for await (const piece of bodyOf(answer)) {
      // A server without ranges sends the whole file.
      const part = piece.subarray(Math.min(skip, piece.length)).subarray(0, left)
      skip -= Math.min(skip, piece.length)
      left -= part.length
      if (part.length > 0) yield part
      if (left === 0) return
    }
  }

  async #listing(path: string, options: CallOptions): Promise<Iterable<Dirent>> {
    const headers = { accept: 'application/json, text/html;q=0.5' }
    const answer = await this.#fetch('GET', path, options, headers, 'scandir', true)
    const type = answer.headers.get('content-type') ?? ''
    if (type.startsWith('application/json')) {
      return direntsOf((await answer.json()) as Entry[], path)
    }
    if (type.startsWith('text/html') && answer.url.endsWith('/')) {
      return namesInPage(await answer.text(), answer.url, path)
    }
    await answer.body?.cancel()
    throw failure('EOPNOTSUPP', 'scandir', path, { text: 'the server does not list directories' })
  }

  async #operate(
    operation: string,
    path: string,
    details: object,
    { signal }: CallOptions,
  ): Promise<unknown> {
    if (!this.#isFull) {
      const text = `the server does not support ${operation}`
      throw failure('EOPNOTSUPP', operation, path, { text })
    }
    const body = new TextEncoder().encode(JSON.stringify({ operation, path, ...details }))
    const headers = { 'content-type': 'application/json' }
    const answer = await this.#fetch('POST', '/', { signal }, headers, operation, false, [body])
    return ((await answer.json()) as { result?: unknown }).result
  }

  async #fetch(
    method: string,
    path: string,
    { signal }: CallOptions,
    headers: Record<string, string>,
    syscall: string,
    isDirectory = false,
    source?: AsyncIterable<Uint8Array> | [Uint8Array],
  ): Promise<Response> {
    const place = namesOf(path).map((name) => `/${encodeURIComponent(name)}`)
    const url = `${this.#url}${place.join('')}${isDirectory || path === '/' ? '/' : ''}`
    const init: RequestInit & { duplex?: 'half' } = {
      method,
      headers: { ...this.#headers, ...headers },
      ...(signal === undefined ? {} : { signal }),
    }
    if (source !== undefined) Object.assign(init, await requestBody(source))
    let answer: Response
    try {
      answer = await fetch(url, init)
    } catch (error) {
      throw networkError(error, signal, this.#url)
    }
    if (answer.ok || (answer.status === 416 && method === 'GET')) return answer
    // A redirect to a trailing slash shows that the directory exists, whether it may be listed or
    // not.
    if (isFolder(answer) && /^(GET|HEAD)$/.test(method) && !isDirectory) return answer
    throw await errorOf(answer, syscall, path)
  }
}

type Body = NonNullable<ConstructorParameters<typeof Response>[0]>

/** A stream, if this `fetch` supports request streams. */
async function requestBody(
  source: AsyncIterable<Uint8Array> | [Uint8Array],
): Promise<{ body: Body; duplex?: 'half' }> {
  if (Array.isArray(source)) return { body: source[0] as Body }
  const isBrowser = (globalThis as { document?: unknown }).document !== undefined
  // Browsers stream requests only over HTTP/2.
  if (isBrowser) return { body: (await collect(source)) as Body }
  return { body: ReadableStream.from(source) as unknown as Body, duplex: 'half' }
}

async function* bodyOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (let it = await reader.read(); !it.done; it = await reader.read()) yield it.value
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function* direntsOf(entries: readonly Entry[], path: string): Generator<Dirent> {
  for (const { name, type, stats } of entries) {
    yield new Dirent(name, path, type, stats === undefined ? undefined : new Stats(stats))
  }
}

/** A plain web server redirects a directory to the same path with a slash. */
function isFolder({ redirected, url }: Response): boolean {
  return redirected && new URL(url).pathname.endsWith('/')
}

/** Some servers omit version headers from partial responses. */
function hasVersion({ headers }: Response, isRange: boolean): boolean {
  return !isRange || headers.has('etag') || headers.has('last-modified')
}

function statsOf(answer: Response): Stats {
  const { headers, status } = answer
  if (isFolder(answer)) return new Stats({ kind: 'directory' })
  const length = Number(headers.get('content-length') ?? 0)
  const whole = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  const size = status === 206 && whole !== undefined ? Number(whole) : length
  const modified = headers.get('last-modified')
  const mtimeMs = modified === null ? 0 : Date.parse(modified)
  const etag = plain(headers.get('etag')) ?? `time-${mtimeMs}-${size}`
  const isListing = headers.get('etag') === null && isJson(headers)
  return new Stats({ kind: isListing ? 'directory' : 'file', size, mtimeMs, etag })
}

/** A CacheFS node lists a directory in this way; its files have entity tags. */
function isJson(headers: Headers): boolean {
  const type = headers.get('content-type') ?? ''
  return type.startsWith('application/json') && headers.get('last-modified') === null
}

function plain(etag: string | null): string | undefined {
  return etag === null ? undefined : etag.replaceAll('"', '')
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An empty file.
}
