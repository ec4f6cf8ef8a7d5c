/**
 * Checks of `doctor` for a node with these options: space, mount point, port, passthrough, cloud. A
 * node that already runs is not an error.
 */
import { access, constants, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { release } from 'node:os'
import { describe } from '../base/fs-error.ts'
import { findMount } from '../fuse/mount/mount-table.ts'
import { checkCloud } from './cloud-check.ts'
import { found, lacking } from './doctor-check.ts'
import type { Finding } from './doctor-check.ts'
import { hasPassthrough } from './machine-checks.ts'
import { nearestFolder } from './nearest-folder.ts'
import type { NodeOptions } from '../options/node-options.ts'
import { formatSize } from '../options/size.ts'

/** Least useful size of a cache. */
const ROOM_MIN_BYTES = 1024 ** 3
const HEALTH_TIMEOUT_MS = 2000
/** Type of overlayfs in statfs(2), and the uid map of a process that is not in a user namespace. */
const OVERLAYFS = 0x794c7630
const MACHINE_UIDS = /^\s*0\s+0\s+4294967295\s*$/

export async function checkNode(options: NodeOptions): Promise<Finding[]> {
  return [
    await checkRoom(options),
    await checkMountPoint(options),
    await checkPort(options),
    await checkPassthrough(options),
    await checkCloud(options),
  ]
}

async function checkRoom(options: NodeOptions): Promise<Finding> {
  const { nvmeDir, nvmeCapacityBytes, nvmeFreeFloor } = options
  const folder = await nearestFolder(nvmeDir)
  const { bavail, blocks, bsize } = await statfs(folder)
  const floorBytes =
    'bytes' in nvmeFreeFloor ? nvmeFreeFloor.bytes : nvmeFreeFloor.fraction * blocks * bsize
  const roomBytes = Math.max(0, bavail * bsize - floorBytes)
  const detail = `${formatSize(roomBytes)} to use in ${nvmeDir}`
  if (roomBytes < Math.min(nvmeCapacityBytes, ROOM_MIN_BYTES)) {
    return lacking('space', detail, 'free some, or choose another disk with --nvme')
  }
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!writable) return lacking('space', `${folder} is not writable`, 'choose one with --nvme')
  return found('space', detail)
}

/** Never fails: a node works without passthrough. */
async function checkPassthrough({ passthrough, nvmeDir }: NodeOptions): Promise<Finding> {
  const name = 'passthrough'
  const no = (why: string): Finding => found(name, `no (${why}): works, large reads are slower`)
  if (passthrough === 'off') return no('--passthrough off')
  if (!hasPassthrough(release())) return no('before Linux 6.9')
  const map = await readFile('/proc/self/uid_map', 'utf8')
  if (!MACHINE_UIDS.test(map)) return no('in a user namespace')
  const { type } = await statfs(await nearestFolder(nvmeDir))
  if (type === OVERLAYFS) return no(`${nvmeDir} is on overlayfs: choose a disk with --nvme`)
  return found(name, 'cached files are read at the speed of the disk')
}

async function checkMountPoint({ mountPoint }: NodeOptions): Promise<Finding> {
  const name = 'mount point'
  const code = await stat(mountPoint).then(
    (stats) => (stats.isDirectory() ? undefined : 'ENOTDIR'),
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  )
  if (code === 'ENOTCONN') {
    const remedy = `clean it up: cachefs umount ${mountPoint}`
    return lacking(name, `${mountPoint} is left over from a node that is gone`, remedy)
  }
  if (code === 'ENOTDIR') {
    return lacking(name, `${mountPoint} is not a folder`, 'choose one with --mount')
  }
  if (findMount(mountPoint) !== undefined) return found(name, `${mountPoint} is mounted`)
  return found(name, `${mountPoint} is free`)
}

async function checkPort({ host, port }: NodeOptions): Promise<Finding> {
  const address = `${host}:${port}`
  try {
    await listenOnce(host, port)
    return found('port', `${address} is free`)
  } catch (error) {
    if (!isInUse(error)) {
      return lacking('port', describe(error), 'choose another with --host and --port')
    }
    if (await answersHealth(host, port)) return found('port', `a node answers at ${address}`)
    const remedy = 'stop what listens there, or choose another with --port'
    return lacking('port', `${address} is taken`, remedy)
  }
}

function isInUse(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
}

async function listenOnce(host: string, port: number): Promise<void> {
  const server = createServer()
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', reject)
  server.listen(port, host, () => {
    server.close(() => resolve(undefined))
  })
  await promise
}

async function answersHealth(host: string, port: number): Promise<boolean> {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host
  try {
    const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS)
    return (await fetch(`http://${reachable}:${port}/api/health`, { signal })).ok
  } catch {
    return false
  }
}
