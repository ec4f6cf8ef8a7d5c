/**
 * Is this directory fit to be mounted on? It has to exist and be empty. A FUSE mount whose daemon
 * was killed ("Transport endpoint is not connected") is taken away first; a mount that lives is
 * never touched. The mount table is asked before the path is, and the path only in a way that can
 * be given up: a mount with a stuck daemon must not make us hang too.
 */
import { readdir, realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'
import { findMount, type MountEntry } from './mount-table.ts'
import { runCommand } from './run-command.ts'

/** What a mount answers whose daemon has gone. */
const DEAD = new Set<unknown>(['ENOTCONN', 'ECONNABORTED'])

/** The absolute path to mount on, without symlinks, fit and free of dead mounts. */
export async function prepareMountPoint(path: string): Promise<string> {
  const mountPoint = await canonicalMountPoint(path)
  for (let round = 0; round < limits.fuseStaleMounts; round++) {
    const mounted = findMount(mountPoint)
    if (mounted === undefined || !isFuse(mounted)) break
    if ((await probe(mountPoint)) !== 'dead') throw inUse(mountPoint, mounted)
    await detachMount(mountPoint)
  }
  await assertEmptyDirectory(mountPoint)
  return mountPoint
}

/** Takes a mount away from its path at once; who uses it keeps what is left of it. */
export async function detachMount(mountPoint: string): Promise<void> {
  const args = ['-i', '-c', '-l', mountPoint]
  const { status, message } = await runCommand('umount', args, { timeoutMs: limits.fuseCommandMs })
  if (status === 0 || findMount(mountPoint) === undefined) return
  throw new FsError('EBUSY', `the dead mount at ${mountPoint} cannot be taken away: ${message}`, {
    syscall: 'umount',
    path: mountPoint,
  })
}

/** Symlinks resolved in all but the last part, which may be a dead mount, then there as well. */
async function canonicalMountPoint(path: string): Promise<string> {
  const absolute = resolve(path)
  if (absolute === '/') throw new FsError('EINVAL', 'the root directory cannot be mounted on')
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
 * Asks a mounted path for a sign of life; no answer in time counts as one. By statfs(2), which is
 * never answered from the kernel's cache: attributes may be, long after the daemon has died.
 */
async function probe(mountPoint: string): Promise<'alive' | 'dead'> {
  const look = statfs(mountPoint).then(
    () => 'alive' as const,
    (error: unknown) => (DEAD.has((error as { code?: unknown }).code) ? 'dead' : 'alive'),
  )
  return Promise.race([look, delay(limits.fuseProbeMs, 'alive' as const, { ref: false })])
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
    `${mountPoint} is not empty (it has ${JSON.stringify(first)}): mounting would hide its files`,
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
    return new FsError('EACCES', `mount point ${path} cannot be read by this user`, details)
  }
  return new FsError('EIO', `mount point ${path} cannot be used`, details)
}
