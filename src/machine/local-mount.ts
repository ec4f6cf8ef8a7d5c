/**
 * Finds the CacheFS mount of a local path in the mount table alone, so that a mount whose node
 * hangs or is gone is found too. Bind mounts of a mount, or of a folder in it, count.
 */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { deviceOf } from '../fuse/mount/mount.ts'
import { mountAbove, type MountEntry } from '../fuse/mount/mount-table.ts'
import { allRunning, type RunningRecord } from './running-record.ts'

const MOUNT_TYPE = 'fuse.cachefs'

export interface LocalMount {
  mountPoint: string
  /** Distinguishes the mount from others at the same path. */
  device: string
  /** The path within the volume. */
  path: string
  /** The path is the mount point. */
  isRoot: boolean
}

/**
 * Looks up the path as given, then with the links of its folder resolved. The last name is followed
 * only if it is a link to the mount point itself.
 */
export async function findLocalMount(text: string): Promise<LocalMount | undefined> {
  const absolute = resolve(text)
  const asWritten = onMount(absolute, mountAbove(absolute))
  if (asWritten !== undefined) return asWritten
  const folder = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  const followed = join(folder, basename(absolute))
  const found = onMount(followed, mountAbove(followed))
  if (found !== undefined) return found
  // The last name may be a link to the mount point itself.
  const target = await realpath(absolute).catch(() => absolute)
  const entry = mountAbove(target)
  return entry?.mountPoint === target ? onMount(target, entry) : undefined
}

/** The program that serves the mount. */
export async function programOf({ device }: LocalMount): Promise<RunningRecord | undefined> {
  return (await allRunning()).find((record) => serves(record, device))
}

export function serves({ mountPoint }: RunningRecord, device: string): boolean {
  return mountPoint !== undefined && deviceOf(mountPoint) === device
}

function onMount(path: string, entry: MountEntry | undefined): LocalMount | undefined {
  if (entry?.type !== MOUNT_TYPE) return undefined
  const { mountPoint, device, root } = entry
  const below = path.slice(mountPoint.length)
  return { mountPoint, device, path: resolve('/', `${root}/${below}`), isRoot: below === '' }
}
