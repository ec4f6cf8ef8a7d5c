/**
 * Checks of `doctor` on the machine: kernel, privileges, programs, limits. Every check reports what
 * it found, and a remedy if a requirement is not met. No check changes anything.
 */
import { access, constants, open, readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import { codeOf, describe } from '../base/fs-error.ts'
import { found, lacking } from './doctor-check.ts'
import type { Finding } from './doctor-check.ts'

const NODE_MAJOR_MIN = 24
/** First kernel with FUSE passthrough. */
const PASSTHROUGH_KERNEL = [6, 9] as const
/** The kernel of the oldest supported FUSE protocol version. */
const KERNEL_MIN = [5, 4] as const
const OPEN_FILES_MIN = 4096
/** Bit of CapEff for mounting. */
const CAP_SYS_ADMIN = 21n

export async function checkMachine(): Promise<Finding[]> {
  if (process.platform !== 'linux') {
    return [lacking('Linux', process.platform, 'run the node on Linux; mounts need its FUSE')]
  }
  return [
    checkKernel(release()),
    checkNode(process.versions.node),
    await checkFuseDevice(),
    ...(await checkMounting()),
    await checkOpenFiles(),
    await checkNativeCalls(),
  ]
}

function checkKernel(version: string): Finding {
  if (!isAtLeast(version, KERNEL_MIN)) {
    return lacking('Linux', version, `needs Linux ${KERNEL_MIN.join('.')} or newer`)
  }
  return found('Linux', version)
}

export function hasPassthrough(version: string): boolean {
  return isAtLeast(version, PASSTHROUGH_KERNEL)
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return a > major || (a === major && b >= minor)
}

function checkNode(version: string): Finding {
  const enough = isAtLeast(version, [NODE_MAJOR_MIN, 0])
  const remedy = `needs Node ${NODE_MAJOR_MIN} or newer`
  return enough ? found('Node', version) : lacking('Node', version, remedy)
}

async function checkFuseDevice(): Promise<Finding> {
  const name = '/dev/fuse'
  try {
    const device = await open(name, 'r+')
    await device.close()
    return found(name, 'opens')
  } catch (error) {
    const remedy =
      codeOf(error) === 'ENOENT'
        ? 'load the kernel module (modprobe fuse); in a container, pass the device in'
        : 'run as root, or let this user open it (in a container: its device rules)'
    return lacking(name, describe(error), remedy)
  }
}

async function checkMounting(): Promise<Finding[]> {
  const programs = ['mount', 'umount']
  const paths = await Promise.all(programs.map(findProgram))
  const status = await readFile('/proc/self/status', 'utf8')
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const mayMount = ((capabilities >> CAP_SYS_ADMIN) & 1n) === 1n
  return [
    mayMount
      ? found('right to mount', 'CAP_SYS_ADMIN')
      : lacking('right to mount', 'no CAP_SYS_ADMIN', MOUNT_REMEDY),
    ...paths.map((path, index) => {
      const name = `${programs[index] ?? ''} program`
      return path === undefined
        ? lacking(name, 'not in PATH', 'install the package util-linux (or mount)')
        : found(name, path)
    }),
  ]
}

const MOUNT_REMEDY = 'run as root; in a container, add the capability SYS_ADMIN'

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (executable) return path
  }
  return undefined
}

async function checkOpenFiles(): Promise<Finding> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  const text = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? '0'
  const enough = text === 'unlimited' || Number(text) >= OPEN_FILES_MIN
  const remedy = `raise it to ${OPEN_FILES_MIN} or more: ulimit -n, or LimitNOFILE= of the service`
  return enough ? found('open files', text) : lacking('open files', text, remedy)
}

async function checkNativeCalls(): Promise<Finding> {
  const name = 'native calls (koffi)'
  try {
    await import('koffi')
    return found(name, 'loads')
  } catch (error) {
    return lacking(name, describe(error), 'install again with optional packages: npm install')
  }
}
