/**
 * Creates and ends a FUSE mount without libfuse: opens /dev/fuse, has mount(8) mount that
 * descriptor, and answers INIT. Any thread that reads the descriptor can then serve the mount.
 *
 * Invariants: each wait is bounded. A mount that fails leaves nothing behind. INIT is answered
 * while mount(8) is still running: if mount(8) accesses the new mount, it waits for that answer.
 * Until the mount exists, reads of the descriptor fail with EPERM.
 */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { fuseLimits } from '../limits.ts'
import { negotiate, type Negotiated, type Wishes } from '../wire/handshake.ts'
import { prepareMountPoint } from './mount-point.ts'
import { findMount } from './mount-table.ts'
import { OPCODE, opcodeName } from '../wire/opcode.ts'
import { REPLY_HEADER_BYTES, ReplyWriter } from '../wire/reply-writer.ts'
import { RequestReader } from '../wire/request-reader.ts'
import { runCommand, type CommandResult } from './run-command.ts'

export interface MountOptions extends Wishes {
  mountPoint: string
  /** First column of the mount table, for example the address of the volume. */
  source: string
  /** Further options of mount(8), for example `ro`, `nosuid`. */
  options?: readonly string[] | undefined
  /** An open descriptor of /dev/fuse; opened if undefined. */
  fd?: number | undefined
}

export interface FuseMount {
  /** Absolute, without symlinks. */
  readonly mountPoint: string
  /** The connection: requests are read from it; replies and notifications are written to it. */
  readonly fd: number
  readonly negotiated: Negotiated
}

export const CONNECTIONS = '/sys/fs/fuse/connections'
const EPROTO = 71
const POLL_MS = 2

/** Mounts and negotiates with the kernel. The caller owns the descriptor. */
export async function mountFuse(options: MountOptions): Promise<FuseMount> {
  const mountPoint = await prepareMountPoint(options.mountPoint)
  const fd = options.fd ?? openFuseDevice()
  try {
    const command = startMount(fd, mountPoint, options)
    const negotiated = await negotiateInit(fd, command, options)
    setReadahead(mountPoint, negotiated.maxReadaheadBytes)
    return { mountPoint, fd, negotiated }
  } catch (error) {
    abortMountSync(mountPoint)
    closeSync(fd)
    throw error
  }
}

/**
 * Unmounts; does nothing if the mount has ended. Programs that still use the mount get a bounded
 * time to leave; then it is unmounted by force and their calls fail.
 */
export async function unmountFuse(
  mountPoint: string,
  device = findMount(mountPoint)?.device,
): Promise<{ forced: boolean }> {
  const until = Date.now() + fuseLimits.fuseUnmountGraceMs
  while (isMounted(mountPoint, device)) {
    const { status } = await umount(['-i', '-c', mountPoint])
    if (status === 0) return { forced: false }
    if (Date.now() >= until) {
      // Changes made through a mapping must reach the file system before the connection is aborted.
      await runCommand('sync', ['-f', mountPoint], { timeoutMs: fuseLimits.fuseCommandMs })
      await umount(['-i', '-c', '-f', '-l', mountPoint])
      return { forced: true }
    }
    await delay(100)
  }
  return { forced: false }
}

/**
 * Ends a mount at once, in any state: `-f` makes the kernel abort the connection, so that each
 * waiting program gets an error and each thread that reads the descriptor gets ENODEV. Synchronous,
 * because it also runs while the process exits.
 */
export function abortMountSync(mountPoint: string, device?: string): void {
  if (!isMounted(mountPoint, device)) return
  spawnSync('umount', ['-i', '-c', '-f', '-l', mountPoint], {
    stdio: 'ignore',
    timeout: fuseLimits.fuseCommandMs,
  })
}

/**
 * Aborts the connection of a mount that was detached from its path while in use. Uses the fusectl
 * file system, which is mounted temporarily if it is not mounted.
 */
export async function abortConnection(device: string | undefined): Promise<void> {
  const minor = device?.split(':')[1]
  if (minor === undefined) return
  const timeoutMs = fuseLimits.fuseCommandMs
  if (writeFile(`${CONNECTIONS}/${minor}/abort`, '1')) return
  const args = ['-t', 'fusectl', 'fusectl', CONNECTIONS]
  if ((await runCommand('mount', args, { timeoutMs })).status !== 0) return
  writeFile(`${CONNECTIONS}/${minor}/abort`, '1')
  await runCommand('umount', [CONNECTIONS], { timeoutMs })
}

/** Device number of the mount, which distinguishes it from a later mount on the same path. */
export function deviceOf(mountPoint: string): string | undefined {
  return findMount(mountPoint)?.device
}

function isMounted(mountPoint: string, device: string | undefined): boolean {
  const found = findMount(mountPoint)
  if (found === undefined || !found.type.startsWith('fuse')) return false
  return device === undefined || found.device === device
}

function umount(args: string[]): Promise<CommandResult> {
  return runCommand('umount', args, { timeoutMs: fuseLimits.fuseCommandMs })
}

/** Throws ENODEV or EACCES with the remedy if /dev/fuse cannot be opened. */
export function openFuseDevice(): number {
  try {
    return openSync('/dev/fuse', 'r+')
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    const details = { syscall: 'open', path: '/dev/fuse', cause }
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
      const advice = 'load the module (modprobe fuse) or add the device /dev/fuse to the container'
      throw new FsError('ENODEV', `this machine has no /dev/fuse: ${advice}`, details)
    }
    throw new FsError('EACCES', 'no permission to open /dev/fuse: run as root', details)
  }
}

async function startMount(fd: number, mountPoint: string, options: MountOptions): Promise<void> {
  if (process.geteuid?.() !== 0) {
    throw new FsError(
      'EPERM',
      'mounting needs CAP_SYS_ADMIN: run as root (sudo, a privileged container), or in a private ' +
        'namespace (unshare --user --map-root-user --mount)',
      { syscall: 'mount', path: mountPoint },
    )
  }
  const mountOptions = [
    'fd=3',
    'rootmode=40000',
    'user_id=0',
    'group_id=0',
    'allow_other',
    'default_permissions',
    `max_read=${baseLimits.fuseRequestBytes}`,
    ...(options.options ?? []),
  ]
  const type = 'fuse.cachefs'
  const args = ['-i', '-c', '-t', type, '-o', mountOptions.join(','), options.source, mountPoint]
  const result = await runCommand('mount', args, {
    timeoutMs: fuseLimits.fuseCommandMs,
    inheritFd: fd,
  })
  if (result.status === 0) return
  throw new FsError('EPERM', `mounting on ${mountPoint} failed: ${result.message}`, {
    syscall: 'mount',
    path: mountPoint,
  })
}

/** Answers INIT as soon as it arrives, and waits for the mount command to end. */
async function negotiateInit(
  fd: number,
  command: Promise<void>,
  options: MountOptions,
): Promise<Negotiated> {
  const state = { ended: false }
  const end = command.finally(() => (state.ended = true))
  end.catch(() => undefined) // the await below reports it
  const request = new RequestReader(baseLimits.fuseRequestBytes + 8192)
  const until = Date.now() + fuseLimits.fuseCommandMs + fuseLimits.fuseHandshakeMs
  let negotiated: Negotiated | undefined
  while (negotiated === undefined) {
    if (state.ended) await end // throws if the command failed
    const length = readRequest(fd, request)
    if (length > 0) negotiated = answerInit(fd, request, options)
    else if (Date.now() > until) throw new FsError('ETIMEDOUT', 'the kernel sent no INIT')
    else await delay(POLL_MS)
  }
  await end
  return negotiated
}

/** Bytes read; 0 while the descriptor is not mounted. Once it is mounted, INIT is queued. */
function readRequest(fd: number, request: RequestReader): number {
  try {
    return readSync(fd, request.bytes)
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    if (code === 'EPERM' || code === 'EAGAIN' || code === 'EINTR' || code === 'ENOENT') return 0
    throw new FsError('EIO', 'the kernel closed the new mount', { syscall: 'read', cause })
  }
}

function answerInit(
  fd: number,
  request: RequestReader,
  options: MountOptions,
): Negotiated | undefined {
  if (request.opcode !== OPCODE.INIT) {
    throw new FsError('EIO', `the kernel sent ${opcodeName(request.opcode)} before INIT`)
  }
  const reply = new ReplyWriter(64)
  const answer = (payloadBytes: number, error: number): void => {
    const length = REPLY_HEADER_BYTES + payloadBytes
    reply.header(length, error, request.uniqueLow, request.uniqueHigh)
    writeSync(fd, reply.bytes, 0, length)
  }
  try {
    const { payloadBytes, negotiated } = negotiate(request, reply, options)
    answer(payloadBytes, 0)
    return negotiated
  } catch (error) {
    if (error instanceof FsError) answer(0, -EPROTO)
    throw error
  }
}

/**
 * Raises the readahead of the mount. INIT can only lower it from the default of 128 KiB, which is
 * too little for a fast disk and far too little for a network. If sysfs is not writable, reads are
 * slower and nothing else changes.
 */
function setReadahead(mountPoint: string, maxReadaheadBytes: number): void {
  const device = findMount(mountPoint)?.device
  if (device === undefined) return
  const kib = Math.floor(Math.max(fuseLimits.fuseReadaheadBytes, maxReadaheadBytes) / 1024)
  writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, `${kib}\n`)
}

/** Writes a control file of the kernel; returns false on failure. */
function writeFile(path: string, text: string): boolean {
  try {
    writeFileSync(path, text)
    return true
  } catch {
    return false
  }
}
