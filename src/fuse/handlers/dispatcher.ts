/**
 * Serves one request at a time: calls its handler and sends the reply with one write. Each thread
 * has its own dispatcher with its own buffers.
 *
 * Invariants: a request that expects a reply gets exactly one, whatever the file system throws,
 * unless `dispatch` returns `Suspended` (no reply was sent; the request is dispatched again). No
 * error of a request ends the thread.
 */
import { writeSync } from 'node:fs'
import { Suspended, type WaitResult } from '../../base/suspended.ts'
import { ERRNO, FsError, codeOf, describe, isExpected } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { fuseLimits } from '../limits.ts'
import { DirectoryWriter } from '../wire/directory-writer.ts'
import { noReply, type Exchange, type ServedFileSystem } from './exchange.ts'
import { cleanUps, handlers, unknownHandler } from './handlers.ts'
import { opcodeName } from '../wire/opcode.ts'
import { REPLY_HEADER_BYTES, ReplyWriter, validityOf } from '../wire/reply-writer.ts'
import { REQUEST_HEADER_BYTES, RequestReader } from '../wire/request-reader.ts'
import { describeRequest, describeResult } from './request-trace.ts'

/** Space beside the data for headers, structures and names. */
const REQUEST_SLACK_BYTES = 8192

/** How long the kernel may cache replies, ms. */
export interface CacheTimeouts {
  /** Names that exist. */
  entryMs: number
  attributesMs: number
  /** Names that do not exist; 0: not cached. */
  negativeMs: number
}

export const defaultCacheTimeouts: CacheTimeouts = {
  entryMs: 1000,
  attributesMs: 1000,
  negativeMs: 0,
}

export interface DispatcherOptions {
  /** Descriptor of the connection. */
  fd: number
  fileSystem: ServedFileSystem
  timeouts: CacheTimeouts
  /** The process behind request `unique` was interrupted. */
  interrupt: (unique: number) => void
  /** Receives a line for each unexpected error. */
  log: (line: string) => void
  /** Receives a line for each request. */
  trace?: ((line: string) => void) | undefined
}

export class Dispatcher {
  /** Requests are read into `request.bytes`. */
  readonly request = new RequestReader(baseLimits.fuseRequestBytes + REQUEST_SLACK_BYTES)
  readonly #reply = new ReplyWriter(baseLimits.fuseRequestBytes)
  readonly #exchange: Exchange
  readonly #options: DispatcherOptions
  readonly #fd: number
  #logSecond = 0
  #logged = 0

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#fd = options.fd
    const entryValidity = validityOf(options.timeouts.entryMs)
    const attributesValidity = validityOf(options.timeouts.attributesMs)
    const { negativeMs } = options.timeouts
    this.#exchange = {
      fs: options.fileSystem,
      caller: { uid: 0, gid: 0, pid: 0 },
      request: this.request,
      reply: this.#reply,
      directory: new DirectoryWriter(this.#reply, entryValidity, attributesValidity),
      entryValidity,
      attributesValidity,
      negativeValidity: negativeMs > 0 ? validityOf(negativeMs) : undefined,
      interrupt: options.interrupt,
    }
  }

  /**
   * Serves the request of `length` bytes in `request`; returns `Suspended` if it is suspended.
   * `results`: of its waits so far.
   */
  dispatch(length: number, results?: readonly WaitResult[]): Suspended | undefined {
    const { trace } = this.#options
    if (trace !== undefined) return this.#traced(length, results, trace)
    const outcome = this.#serve(length, results)
    if (typeof outcome === 'object') return outcome
    this.#answer(outcome)
    return undefined
  }

  /** Replies to the request in `request` with an error, without calling the file system. */
  fail(error: unknown): void {
    this.#answer(this.#errnoOf(error))
  }

  /**
   * Runs the clean-up of the request in `request`, which was answered with an error before it
   * completed. Sends no reply. Returns `Suspended` if the clean-up is suspended.
   */
  abandon(results?: readonly WaitResult[]): Suspended | undefined {
    this.#begin(results)
    try {
      cleanUps[this.request.opcode]?.(this.#exchange)
      return undefined
    } catch (error) {
      if (error instanceof Suspended) return error
      this.report(error)
      return undefined
    } finally {
      this.#options.fileSystem.serving?.(0, false, 0)
    }
  }

  /** Logs an unexpected error; ignores one that has an errno. */
  report(error: unknown): void {
    this.#errnoOf(error)
  }

  #begin(results: readonly WaitResult[] | undefined): void {
    const { uid, gid, pid, unique, isResent } = this.request
    this.#exchange.caller = { uid, gid, pid }
    this.#options.fileSystem.serving?.(unique, isResent, pid, results)
  }

  #traced(
    length: number,
    results: readonly WaitResult[] | undefined,
    trace: (line: string) => void,
  ): Suspended | undefined {
    const line = describeRequest(this.request)
    const start = performance.now()
    const outcome = this.#serve(length, results)
    const us = Math.round((performance.now() - start) * 1000)
    const result = typeof outcome === 'object' ? 'blocked' : describeResult(outcome)
    trace(`${line} -> ${result} ${us}us`)
    if (typeof outcome === 'object') return outcome
    this.#answer(outcome)
    return undefined
  }

  /**
   * Returns payload bytes, a negative errno, `noReply`, or `Suspended` if the request is suspended.
   */
  #serve(length: number, results: readonly WaitResult[] | undefined): number | Suspended {
    const { request } = this
    this.#begin(results)
    try {
      if (length < REQUEST_HEADER_BYTES || request.length !== length) {
        throw new FsError('EIO', `request of ${length} bytes has length ${request.length}`)
      }
      return (handlers[request.opcode] ?? unknownHandler)(this.#exchange)
    } catch (error) {
      return error instanceof Suspended ? error : this.#errnoOf(error)
    } finally {
      this.#options.fileSystem.serving?.(0, false, 0)
    }
  }

  #errnoOf(error: unknown): number {
    if (error instanceof FsError) return error.errno
    const { request } = this
    this.#log(`${opcodeName(request.opcode)} of inode ${request.nodeid} failed: ${traceOf(error)}`)
    return -ERRNO.EIO
  }

  #answer(result: number): void {
    if (result === noReply) return
    const { request } = this
    const reply = this.#reply
    const length = result > 0 ? REPLY_HEADER_BYTES + result : REPLY_HEADER_BYTES
    reply.header(length, result < 0 ? result : 0, request.uniqueLow, request.uniqueHigh)
    try {
      writeSync(this.#fd, reply.bytes, 0, length)
    } catch (error) {
      this.#unsent(error, result)
    }
  }

  /**
   * ENOENT: the kernel gave up the request. ENODEV: the mount has ended. Else the reply is invalid.
   */
  #unsent(error: unknown, result: number): void {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENODEV') return
    const { request } = this
    this.#log(`the kernel rejected the reply to ${describeRequest(request)}: ${describe(error)}`)
    // The process behind the request must not hang: reply EIO, which is always valid.
    if (result !== -ERRNO.EIO) this.#answer(-ERRNO.EIO)
  }

  #log(line: string): void {
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#logSecond) {
      const hidden = this.#logged - fuseLimits.fuseLoggedErrorsPerSecond
      if (hidden > 0) this.#options.log(`${hidden} more errors in the same second`)
      this.#logSecond = second
      this.#logged = 0
    }
    if (++this.#logged <= fuseLimits.fuseLoggedErrorsPerSecond) this.#options.log(line)
  }
}

function traceOf(error: unknown): string {
  const isTraced = error instanceof Error && error.stack !== undefined && !isExpected(error)
  return isTraced ? error.stack! : describe(error)
}
