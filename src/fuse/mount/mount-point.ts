/**
 * Checks and prepares a mount point: an existing, empty directory. A FUSE mount whose daemon was
 * killed ("Transport endpoint is not connected") is detached first; a live mount is never touched.
 * The mount table is consulted before the path is accessed, and the path is accessed only with a
 * timeout: a mount whose daemon hangs must not make this process hang too.
 */
import { readdir, realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../../base/fs-error.ts'
import { fuseLimits } from '../limits.ts'
import { findMount, type MountEntry } from './mount-table.ts'
import { runCommand } from './run-command.ts'

/** Errors from a mount whose daemon has died. */
const DEAD = new Set<unknown>(['ENOTCONN', 'ECONNABORTED'])

/** Returns the absolute path without symlinks, after detaching dead mounts from it. */
export async function prepareMountPoint(path: string): Promise<string> {
  const mountPoint = await canonicalMountPoint(path)
  for (let round = 0; round < fuseLimits.fuseStaleMounts; round++) {
    const mounted = findMount(mountPoint)
    if (mounted === undefined || !isFuse(mounted)) break
    if ((await probe(mountPoint)) !== 'dead') throw inUse(mountPoint, mounted)
    await detachMount(mountPoint)
  }
  await assertEmptyDirectory(mountPoint)
  return mountPoint
}

/** Detaches a mount from its path at once; programs that use it keep what is left of it. */
export async function detachMount(mountPoint: string): Promise<void> {
  const args = ['-i', '-c', '-l', mountPoint]
  const { status, message } = await runCommand('umount', args, {
    timeoutMs: fuseLimits.fuseCommandMs,
  })
  if (status === 0 || findMount(mountPoint) === undefined) return
  throw new FsError('EBUSY', `cannot detach the dead mount at ${mountPoint}: ${message}`, {
    syscall: 'umount',
    path: mountPoint,
  })
}

/**
 * Resolves symlinks in the parent and, unless it is a mount (perhaps a dead one), in the last part.
 */
async function canonicalMountPoint(path: string): Promise<string> {
  const absolute = resolve(path)
  if (absolute === '/') throw new FsError('EINVAL', 'cannot mount on the root directory')
  try {
    const parent = await realpath(dirname(absolute))
    const joined = join(parent, basename(absolute))
    if (findMount(joined) !== undefined) return joined
    return await realpath(joined)
  } catch (error) {
    throw unfit(absolute, error)
  }
}

/**
 * Whether the daemon of a mount is alive; a timeout counts as alive. Uses statfs(2), which the
 * kernel never answers from its cache; it may return cached attributes long after the daemon has
 * died.
 */
async function probe(mountPoint: string): Promise<'alive' | 'dead'> {
  const look = statfs(mountPoint).then(
    () => 'alive' as const,
    (error: unknown) => (DEAD.has((error as { code?: unknown }).code) ? 'dead' : 'alive'),
  )
  return Promise.race([look, delay(fuseLimits.fuseProbeMs, 'alive' as const, { ref: false })])
}

async function assertEmptyDirectory(mountPoint: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(mountPoint)
  } catch (error) {
    throw unfit(mountPoint, error)
  }
  const [first] = names
  if (first === undefined) return
  throw new FsError(
    'ENOTEMPTY',
    `${mountPoint} is not empty (it has ${JSON.stringify(first)}): a mount would hide its files`,
    { syscall: 'mount', path: mountPoint },
  )
}

function isFuse(entry: MountEntry): boolean {
  return entry.type === 'fuse' || entry.type === 'fuseblk' || entry.type.startsWith('fuse.')
}

function inUse(mountPoint: string, { type, source }: MountEntry): FsError {
  return new FsError(
    'EBUSY',
    `${mountPoint} is in use: ${source} (${type}) is mounted there and alive. Unmount it first`,
    { syscall: 'mount', path: mountPoint },
  )
}

function unfit(path: string, cause: unknown): FsError {
  const code = (cause as { code?: unknown } | null)?.code
  const details = { syscall: 'mount', path, cause }
  if (code === 'ENOENT') {
    return new FsError('ENOENT', `mount point ${path} does not exist. Create it first`, details)
  }
  if (code === 'ENOTDIR') {
    return new FsError('ENOTDIR', `mount point ${path} is not a directory`, details)
  }
  if (code === 'EACCES') {
    return new FsError('EACCES', `mount point ${path} is not readable by this user`, details)
  }
  return new FsError('EIO', `mount point ${path} cannot be used`, details)
}
