/**
 * Runs `cachefs mount` in this process, from start to a clean end: the remote, the local side, and
 * the mount. A local side is used by one process at a time and belongs to one remote. Changes that
 * a stop cannot upload in time stay in the journal of the local side, and the next mount resumes
 * them.
 */
import { mkdir, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, describe, FsError } from '../base/fs-error.ts'
import { loggerOf, type Logger, type LogFormat, type LogLevel } from '../base/log/logger.ts'
import { loadPlainFile } from '../base/plain-file.ts'
import { makePrivateFolder } from '../base/private-folder.ts'
import { siblingModule } from '../base/sibling-module.ts'
import { CacheFS } from '../cachefs/cache-fs.ts'
import type { CacheOptions } from '../cachefs/cache-options.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { ANSWER, InodeAdapter } from '../filesystem/inode/inode-adapter.ts'
import type { InodeWaitCondition } from '../filesystem/inode/inode-wait-condition.ts'
import { InodeOperations } from '../filesystem/inode/inode-operations.ts'
import { InodeTable } from '../filesystem/inode/inode-table.ts'
import type { FileSystemStatistics, Forgotten } from '../filesystem/inode-file-system.ts'
import { LocalFS } from '../filesystem/local/local-fs.ts'
import { ReadOnlyFS } from '../filesystem/read-only-fs.ts'
import { FuseServer } from '../fuse/fuse-server.ts'
import { abortMountSync } from '../fuse/mount/mount.ts'
import { baseLimits } from '../base/limits.ts'
import { nodeLimits } from './limits.ts'
import { DirectoryLock } from '../volume/folder/directory-lock.ts'
import { recordRunning } from '../machine/running-record.ts'
import { runInForeground, type RunningProgram } from '../daemon/foreground.ts'
import { openRemote, type RemoteAddress, type RemoteValues } from './remote-address.ts'

export interface MountOptions {
  mountPoint: string
  local: string
  address: RemoteAddress
  remote: RemoteValues
  /** Create the folder, bucket or container of the remote if it does not exist. */
  create: boolean
  /** Source in the mount table; undefined: the remote. */
  fsname: string | undefined
  cache: CacheOptions
  isReadOnly: boolean
  fuseThreads: number
  trace: boolean
  logLevel: LogLevel
  logFormat: LogFormat
}

/** File with the identity of the remote that a local directory caches. */
const OWNER = 'remote.txt'
/** Errors of the remote that waiting does not resolve. */
const REFUSALS = new Set(['ENOENT', 'EACCES', 'EPERM', 'EINVAL', 'ENOTDIR'])

export async function runMount(options: MountOptions): Promise<void> {
  await runInForeground({
    subsystem: 'FUSE',
    options,
    start: (logger) => start(options, logger),
    announce: () => {
      console.log(`ready mount=${options.mountPoint}`)
    },
    describe: () => `mounted at ${options.mountPoint}`,
    abandon: () => {
      abortMountSync(options.mountPoint)
    },
  })
}

async function start(options: MountOptions, logger: Logger): Promise<RunningProgram> {
  const { local, address, remote: values } = options
  const owner = await ownerOf(local)
  const create = options.create && owner === undefined
  const remote = await openRemote(address, values, { create })
  await remote.check().catch((error: unknown) => {
    // A known remote may be unreachable; an unreachable new one may be a typing error.
    if (owner === undefined || REFUSALS.has(codeOf(error))) throw refusal(remote.identity, error)
    logger.warn(`${remote.identity} does not answer: ${describe(error)}`)
  })
  using stack = new DisposableStack()
  const use = { name: 'local directory', flag: '--local' }
  const lock = stack.adopt(DirectoryLock.take(local, use), (it) => {
    it.release()
  })
  await claim(local, remote.identity, await ownerOf(local))
  const place = join(local, 'files')
  makePrivateFolder(place)
  const cache = await CacheFS.open(new LocalFS(place), remote.files, {
    ...options.cache,
    journal: true,
    logger: loggerOf('CACHE'),
  })
  try {
    const mounted = await mount(options, {
      cache,
      place,
      source: options.fsname ?? remote.identity,
    })
    stack.move()
    const facts = { kind: 'mount', folder: local, mountPoint: mounted.server.mountPoint } as const
    const record = await recordRunning(facts, logger)
    return running(options, { ...mounted, cache, lock, record }, logger)
  } catch (error) {
    await cache.close()
    throw error
  }
}

async function ownerOf(local: string): Promise<string | undefined> {
  try {
    return (await loadPlainFile(join(local, OWNER))).toString()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function refusal(identity: string, cause: unknown): FsError {
  return new FsError(codeOf(cause), `${identity} cannot be used`, { cause })
}

/** Prevents a cache of one remote from being used for another. */
async function claim(local: string, identity: string, owner: string | undefined): Promise<void> {
  if (owner === undefined) await writeFile(join(local, OWNER), identity, { mode: 0o600 })
  else if (owner !== identity) {
    throw new FsError('EEXIST', `${local} is the cache of ${owner}: name another with --local`)
  }
}

interface Mounted {
  server: FuseServer
  operations: InodeOperations
}

async function mount(
  options: MountOptions,
  { cache, place, source }: { cache: CacheFS; place: string; source: string },
): Promise<Mounted> {
  const table = new InodeTable()
  const files: FileSystem = options.isReadOnly ? new ReadOnlyFS(cache) : cache
  const status = (path: string): unknown => {
    return { ...cache.status(path), ...(path === '/' ? { totals: cache.counters } : {}) }
  }
  const statistics = (): Promise<FileSystemStatistics> => statisticsOf(place)
  const room = async (): Promise<number> => {
    const { blocksAvailable, blockSize } = await statistics()
    return blocksAvailable * blockSize + cache.counters.bytes
  }
  const operations = new InodeOperations({ files, table, statistics, room, status })
  const adapter = new InodeAdapter({ table })
  const keptMs = Math.min(nodeLimits.mountedKernelMs, cache.ttlMs)
  await mkdir(options.mountPoint, { recursive: true }).catch((error: unknown) => {
    // If the path exists in any state, mounting reports what is wrong with it.
    if (!['EEXIST', 'ENOTCONN'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  })
  const server = await FuseServer.open({
    mountPoint: options.mountPoint,
    source,
    // Users who may write to the remote must not grant rights on this machine.
    mountOptions: ['nosuid', 'nodev', ...(options.isReadOnly ? ['ro'] : [])],
    fileSystem: adapter,
    worker: {
      module: siblingModule(import.meta.url, '../filesystem/inode/inode-adapter'),
      count: options.fuseThreads,
    },
    timeouts: { entryMs: keptMs, attributesMs: keptMs, negativeMs: 0 },
    resolveWait: async (condition, how) => {
      const { op } = condition as InodeWaitCondition
      if (op === 'here') return undefined
      try {
        return ANSWER.of(op, await operations.run(condition as InodeWaitCondition, how))
      } catch (error) {
        return ANSWER.failed(op, error)
      }
    },
    onHint: (message) => {
      adapter.forget(message as Forgotten[])
    },
    log: (line) => {
      loggerOf('FUSE').warn(line)
    },
    ...(options.trace ? { traceFd: 2 } : {}),
  })
  return { server, operations }
}

/** Statistics of the disk of the local side: the capacity of a bucket is unknown. */
async function statisticsOf(place: string): Promise<FileSystemStatistics> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(place)
  return {
    blockSize: bsize,
    blocks,
    blocksFree: bfree,
    blocksAvailable: bavail,
    files,
    filesFree: ffree,
    nameMax: baseLimits.nameBytes,
  }
}

interface Held {
  cache: CacheFS
  lock: DirectoryLock
  record: AsyncDisposable
}

function running(
  { mountPoint }: MountOptions,
  { server, operations, cache, lock, record }: Mounted & Held,
  logger: Logger,
): RunningProgram {
  const stop = async (): Promise<void> => {
    await server.close()
    await operations.close()
    await cache.close({ signal: AbortSignal.timeout(nodeLimits.drainMs) })
    const { pending } = cache.counters
    if (pending > 0) {
      logger.warn(
        `${pending} changes have not reached the remote: the next mount goes on with them`,
      )
    }
    await record[Symbol.asyncDispose]()
    lock.release()
  }
  let stopping: Promise<void> | undefined
  return {
    stop: () => (stopping ??= stop()),
    failed: server.closed.then(() => `${mountPoint} was unmounted`),
  }
}
