/**
 * A worker thread of a mount: opens its own instance of the file system, then reads requests from
 * the kernel in a blocking loop and answers them, until the mount has gone. Several of them on one
 * descriptor beat every asynchronous way of reading it. It never waits for anything but the next
 * request: what has to wait goes to the main thread, together with a copy of the request.
 *
 * The loop does not return to the event loop: in a worker, a file system's timers, promises and
 * incoming messages stand still.
 */
import { readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { FsError, leaveOutStacks } from '../base/fs-error.ts'
import type { Blocked } from '../base/blocked.ts'
import { Dispatcher } from './dispatcher.ts'
import type { ServedFileSystem } from './exchange.ts'
import { traceTo } from './request-trace.ts'
import { SharedCounters, type WorkerMessage, type WorkerSetup } from './worker-protocol.ts'

/** What the thread offers the file system that it opens. */
export interface WorkerContext {
  /**
   * Sends plain data to the main thread without waiting; false when too many are under way and
   * this one was dropped.
   */
  hint(message: unknown): boolean
}

/** What the module named by the caller exports. */
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
    throw new FsError('EINVAL', `${setup.module} exports no function openFileSystem`)
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

/** Length of the next request, 0 when there was none after all, -1 when the mount has gone. */
function readRequest(fd: number, bytes: Uint8Array): number {
  try {
    return readSync(fd, bytes, 0, bytes.length, null)
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code === 'ENODEV' || code === 'ECONNABORTED') return -1
    // ENOENT: the request was given up between the kernel's queue and us.
    if (code === 'EINTR' || code === 'EAGAIN' || code === 'ENOENT') return 0
    throw error
  }
}

function handOn(dispatcher: Dispatcher, { need }: Blocked): void {
  const { request } = dispatcher
  if (!counters.takeWaiting(request.length)) {
    fileSystem.refused?.(need)
    dispatcher.fail(new FsError('EAGAIN', 'too many requests wait for something slow'))
    return
  }
  const copy = request.copy()
  try {
    post({ kind: 'blocked', request: copy, need }, [copy.buffer])
  } catch (error) {
    // A need that cannot cross threads.
    counters.releaseWaiting(request.length)
    fileSystem.refused?.(need)
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

// Once: the thread ends when this has returned.
port.once('message', run)
post({ kind: 'ready' })
