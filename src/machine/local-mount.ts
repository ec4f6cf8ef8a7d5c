/**
 * The CacheFS mount that a local path is on, from the mount table alone: a mount whose node hangs
 * or is gone is found as well. Bind mounts of a mount count, and of a folder in it.
 */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { deviceOf } from '../fuse/mount/mount.ts'
import { mountAbove, type MountEntry } from '../fuse/mount/mount-table.ts'
import { allRunning, type RunningRecord } from './running-record.ts'

const MOUNT_TYPE = 'fuse.cachefs'

export interface LocalMount {
  mountPoint: string
  /** Tells it from others on the same path. */
  device: string
  /** Of the path, in the volume. */
  path: string
  /** The path is the mount point. */
  isRoot: boolean
}

/** As the path is written, else through the links of its folder; its last name is not followed. */
export async function findLocalMount(text: string): Promise<LocalMount | undefined> {
  const absolute = resolve(text)
  const asWritten = onMount(absolute, mountAbove(absolute))
  if (asWritten !== undefined) return asWritten
  const folder = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  const followed = join(folder, basename(absolute))
  const found = onMount(followed, mountAbove(followed))
  if (found !== undefined) return found
  // A link to the mount point itself.
  const target = await realpath(absolute).catch(() => absolute)
  const entry = mountAbove(target)
  return entry?.mountPoint === target ? onMount(target, entry) : undefined
}

/** What serves the mount. */
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
