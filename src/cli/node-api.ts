/**
 * Client of the API of a node, for the verbs. An error states the cause and the remedy (no node
 * answers, the key is missing or wrong), or repeats the message of the node.
 *
 * Responses of long-running calls are lines of JSON (NDJSON). Only a line with `done` completes
 * them; a line with `error`, or a response that ends without `done`, is a failure.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { describe } from '../base/fs-error.ts'
import type { ProgressLine } from '../http/node/node-status.ts'
import type { MissingFiles } from '../volume/paths/missing-files.ts'

/** Timeout of a short call. */
const ANSWER_TIMEOUT_MS = 30_000
/** Timeout of a call that may walk a tree. */
const TREE_TIMEOUT_MS = 3_600_000

/** Fields that the verbs use; a response has more. */
export interface NodeStatus {
  mountPoint: string
  pid?: number
  daemonPid?: number
  version?: string
}

export type Answer = Record<string, unknown>
type AnswerLine = ProgressLine & { error?: unknown }

interface RequestOptions {
  method?: string
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal
}

interface ErrorBody {
  message?: string
  code?: string
}

export class NodeApi {
  readonly url: string
  readonly #key: string | undefined
  readonly #folder: string | undefined

  /** `folder`: state folder of a node on this machine, which has its key. */
  constructor(url: string, key: string | undefined, folder?: string) {
    this.url = url.replace(/\/+$/, '')
    this.#key = key
    this.#folder = folder
  }

  async status(): Promise<NodeStatus & Answer> {
    return (await this.#ask('/api/status')) as NodeStatus & Answer
  }

  /** Calls a route about one path. */
  async about(question: 'receipt' | 'explain' | 'durability', path: string): Promise<Answer> {
    const timeoutMs = question === 'receipt' ? TREE_TIMEOUT_MS : ANSWER_TIMEOUT_MS
    return await this.#ask(`/api/${question}${encoded(path)}`, {}, timeoutMs)
  }

  /** null: removes the setting, so that of the parent folder applies. */
  async setDurability(path: string, durability: string | null): Promise<Answer> {
    const body = JSON.stringify({ durability })
    return await this.#ask(`/api/durability${encoded(path)}`, { method: 'PUT', body })
  }

  async restore(path: string): Promise<Answer> {
    return await this.#ask(`/api/restore${encoded(path)}`, { method: 'POST' })
  }

  async missing(): Promise<MissingFiles> {
    return (await this.#ask('/api/missing')) as unknown as MissingFiles
  }

  /** Starts the replacement of the daemon; returns when the request was accepted. */
  async upgrade(): Promise<void> {
    await this.#fetch('/api/upgrade', { method: 'POST' })
  }

  /**
   * Yields lines as they arrive. Throws the error of the node; also throws if the response ends
   * early.
   */
  async *run(
    action: 'wait' | 'warm' | 'evict',
    paths: readonly string[],
    how: { force?: boolean } = {},
  ): AsyncGenerator<ProgressLine> {
    const body = JSON.stringify({ paths, ...how })
    const response = await this.#fetch(`/api/${action}`, { method: 'POST', body })
    let isDone = false
    for await (const answer of this.#answers(response, action)) {
      if (answer.error !== undefined) throw errorOf(answer.error, action)
      isDone = answer.done === true
      yield answer
    }
    if (!isDone) throw this.#endedEarly(action)
  }

  async *#answers({ body }: Response, action: string): AsyncGenerator<AnswerLine> {
    if (body === null) return
    const lines = createInterface({ input: Readable.fromWeb(body), crlfDelay: Infinity })
    try {
      for await (const line of lines) {
        if (line.trim() !== '') yield JSON.parse(line) as AnswerLine
      }
    } catch (error) {
      throw this.#endedEarly(action, error)
    }
  }

  #endedEarly(action: string, cause?: unknown): Error {
    const message = `the node at ${this.url} stopped answering before it was done: ${action} again`
    return new Error(message, { cause })
  }

  async #ask(
    path: string,
    init: RequestOptions = {},
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<Answer> {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await this.#fetch(path, { ...init, signal })
    return (await response.json()) as Answer
  }

  async #fetch(path: string, init: RequestOptions): Promise<Response> {
    const headers = {
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(this.#key === undefined ? {} : { 'x-api-key': this.#key }),
    }
    let response: Response
    try {
      response = await request(new URL(`${this.url}${path}`), { ...init, headers })
    } catch (error) {
      throw this.#unreachable(error)
    }
    if (response.ok) return response
    throw await this.#refused(response)
  }

  #unreachable(error: unknown): Error {
    const remedy = 'start a node with `cachefs up`, or say where one is with --api'
    return new Error(`no node answers at ${this.url} (${describe(error)}): ${remedy}`)
  }

  async #refused(response: Response): Promise<Error> {
    if (response.status === 401) {
      const give = 'give --api-key-file, or set CACHEFS_API_KEY'
      if (this.#key !== undefined) {
        return new Error(`the node at ${this.url} does not accept this key: ${give}`)
      }
      const owner =
        this.#folder === undefined
          ? give
          : `only the user who runs it may read it in ${this.#folder}. Run as that user, or ${give}`
      return new Error(`the node at ${this.url} wants its key: ${owner}`)
    }
    const text = await response.text()
    return errorOf(parseBody(text) ?? text, `${this.url} answered ${response.status}`)
  }
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

/** Not fetch(): it fails if a response sends nothing for five minutes. */
async function request(url: URL, { body, ...options }: RequestOptions): Promise<Response> {
  const start = url.protocol === 'https:' ? https.request : http.request
  const outgoing = start(url, options)
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const stream = Readable.toWeb(incoming) as ReadableStream<Uint8Array>
  return new Response(stream, { status: incoming.statusCode ?? 0 })
}

function parseBody(text: string): unknown {
  try {
    const body = JSON.parse(text) as { error?: unknown }
    return typeof body.error === 'object' ? body.error : body
  } catch {
    return undefined
  }
}

function errorOf(body: unknown, tried: string): Error {
  const message = typeof body === 'string' ? body : (body as ErrorBody | null)?.message
  return new Error(message === undefined || message === '' ? `${tried}: it failed` : message)
}
