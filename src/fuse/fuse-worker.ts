/**
 * Worker thread of a mount: opens its own instance of the file system, then reads requests in a
 * blocking loop and answers them until the mount ends. Several such threads on one descriptor are
 * faster than any asynchronous way of reading it. The thread waits for nothing but the next
 * request: a suspended request is handed to the main thread with a copy of its bytes.
 *
 * Invariant: the loop never returns to the event loop, so timers, promises and incoming messages of
 * a file system do not run in a worker.
 */
import { readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { FsError, leaveOutStacks } from '../base/fs-error.ts'
import type { Suspended } from '../base/suspended.ts'
import { Dispatcher } from './handlers/dispatcher.ts'
import type { ServedFileSystem } from './handlers/exchange.ts'
import { traceTo } from './handlers/request-trace.ts'
import { SharedCounters, type WorkerMessage, type WorkerSetup } from './worker-protocol.ts'

/** Functions that the thread offers to its file system. */
export interface WorkerContext {
  /**
   * Sends plain data to the main thread without waiting. Returns false if too many are in flight
   * and this one was dropped.
   */
  hint(message: unknown): boolean
}

/** Exports of the module that the caller names. */
export interface WorkerModule {
  openFileSystem(
    data: unknown,
    context: WorkerContext,
  ): ServedFileSystem | Promise<ServedFileSystem>
}

const setup = workerData as WorkerSetup
const counters = new SharedCounters(setup.counters)
const port = parentPort!

function post(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

function hint(message: unknown): boolean {
  if (!counters.takeHint()) return false
  post({ kind: 'hint', message })
  return true
}

async function openFileSystem(): Promise<ServedFileSystem> {
  const module = (await import(setup.module)) as Partial<WorkerModule>
  if (typeof module.openFileSystem !== 'function') {
    throw new FsError('EINVAL', `${setup.module} does not export a function openFileSystem`)
  }
  return module.openFileSystem(setup.data, { hint })
}

function serve(dispatcher: Dispatcher, fd: number): void {
  const { bytes } = dispatcher.request
  for (;;) {
    const length = readRequest(fd, bytes)
    if (length < 0) return
    if (length === 0) continue
    const blocked = dispatcher.dispatch(length)
    if (blocked !== undefined) handOn(dispatcher, blocked)
  }
}

/** Length of the next request; 0 if there is none after all; -1 if the mount has ended. */
function readRequest(fd: number, bytes: Uint8Array): number {
  try {
    return readSync(fd, bytes, 0, bytes.length, null)
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code === 'ENODEV' || code === 'ECONNABORTED') return -1
    // ENOENT: the kernel gave up the request while it was being read.
    if (code === 'EINTR' || code === 'EAGAIN' || code === 'ENOENT') return 0
    throw error
  }
}

function handOn(dispatcher: Dispatcher, { condition, hasChanged }: Suspended): void {
  const { request } = dispatcher
  if (!counters.takeWaiting(request.length)) {
    fileSystem.refused?.(condition)
    dispatcher.fail(new FsError('EAGAIN', 'too many requests are suspended'))
    return
  }
  const copy = request.copy()
  try {
    post({ kind: 'suspended', request: copy, condition, hasChanged }, [copy.buffer])
  } catch (error) {
    // The wait condition cannot be sent to another thread.
    counters.releaseWaiting(request.length)
    fileSystem.refused?.(condition)
    dispatcher.fail(error)
  }
}

const fileSystem = await openFileSystem()

function run(fd: number): void {
  const dispatcher = new Dispatcher({
    fd,
    fileSystem,
    timeouts: setup.timeouts,
    interrupt: (unique) => post({ kind: 'interrupt', unique }),
    log: (line) => post({ kind: 'log', line }),
    trace: traceTo(setup.traceFd),
  })
  leaveOutStacks()
  serve(dispatcher, fd)
  fileSystem.close?.()
  post({ kind: 'ended' })
}

// Only once: the thread ends when `run` returns.
port.once('message', run)
post({ kind: 'ready' })
