/**
 * `cachefs mount`: mounts a bucket, a web server or a folder as it is (an attached file system)
 * with a persistent cache. Runs until it is stopped; Ctrl-C unmounts and uploads pending changes.
 */
import { resolve, sep } from 'node:path'
import type { Command } from 'commander'
import type { ConflictPolicy } from '../../cachefs/cache-options.ts'
import { parseDuration } from '../../options/duration.ts'
import { addFlags, flag, optionalFlag, readFlags, switchFlag } from '../../options/flag.ts'
import { FSNAME_FLAG, NODE_FLAGS, parseOneOf, parsePath } from '../../options/node-flags.ts'
import { REMOTE_FLAGS } from '../../node/remote-address.ts'
import type { RemoteAddress, RemoteValues } from '../../node/remote-address.ts'
import { parseSize } from '../../options/size.ts'
import { UsageError } from '../../options/usage-error.ts'

const CONFLICTS = ['local-wins', 'remote-wins', 'keep-both'] as const

const MOUNT_FLAGS = {
  local: optionalFlag({
    value: '<dir>',
    about: 'cache directory, used for this remote only',
    parse: parsePath,
  }),
  ...REMOTE_FLAGS,
  ...FSNAME_FLAG,
  create: switchFlag('create the directory, bucket or container of --remote if it does not exist'),
  ttl: flag('1h', {
    value: '<duration>',
    about: 'time for which cached metadata and data are valid, for example 30s, 5m, 1h',
    parse: parseDuration,
  }),
  'stale-if-error': flag('0', {
    value: '<duration>',
    about: 'time after expiry in which cached data is served while the remote is unreachable',
    parse: parseDuration,
  }),
  'stale-while-revalidate': flag('0', {
    value: '<duration>',
    about: 'time after expiry in which cached data is served while it is revalidated',
    parse: parseDuration,
  }),
  capacity: optionalFlag({
    value: '<size>',
    about: 'capacity of --local, GB; unlimited if not set',
    parse: (text) => parseSize(text, 'G'),
  }),
  conflict: flag('local-wins', {
    value: '<policy>',
    about: `if a file changed on both sides: ${CONFLICTS.join(', ')}`,
    parse: (text) => parseOneOf(text, CONFLICTS).replace('-', ' ') as ConflictPolicy,
  }),
  'read-only': switchFlag('mount read-only'),
  'fuse-threads': NODE_FLAGS['fuse-threads'],
  'log-level': NODE_FLAGS['log-level'],
  'log-format': NODE_FLAGS['log-format'],
  trace: NODE_FLAGS.trace,
}

export function addMount(program: Command): void {
  const command = program
    .command('mount')
    .argument('<mount-point>', 'mount point')
    .description('Mount a bucket, web server or directory as it is, with a persistent local cache')
  addFlags(command, MOUNT_FLAGS)
  command.action(async (mountPoint: string) => {
    const values = readFlags(command, MOUNT_FLAGS, process.env)
    const options = {
      mountPoint: resolve(mountPoint),
      local: required(values.local, 'local'),
      address: required(values.remote, 'remote'),
      remote: values satisfies RemoteValues,
      create: values.create,
      fsname: values.fsname,
      cache: {
        ttlMs: values.ttl,
        staleIfErrorMs: values['stale-if-error'],
        staleWhileRevalidateMs: values['stale-while-revalidate'],
        maxBytes: values.capacity,
        conflict: values.conflict,
      },
      isReadOnly: values['read-only'],
      fuseThreads: values['fuse-threads'],
      trace: values.trace,
      logLevel: values['log-level'],
      logFormat: values['log-format'],
    }
    checkPlaces(options)
    const { runMount } = await import('../../node/run-mount.ts')
    await runMount(options)
  })
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new UsageError(`--${name} is missing: see cachefs mount --help`)
  return value
}

/** The cache and the remote must not be inside the mount: the process would wait for itself. */
function checkPlaces(options: { mountPoint: string; local: string; address: RemoteAddress }): void {
  const { mountPoint, local, address } = options
  if (mountPoint === '/') throw new UsageError('the mount point /: name a folder of its own')
  checkApart(`--local ${local}`, local, 'the mount point', mountPoint)
  if (address.kind !== 'file') return
  checkApart(`--remote ${address.path}`, address.path, 'the mount point', mountPoint)
  checkApart(`--remote ${address.path}`, address.path, '--local', local)
}

function checkApart(name: string, path: string, otherName: string, other: string): void {
  const isInside = (inner: string, outer: string) => `${inner}${sep}`.startsWith(`${outer}${sep}`)
  if (isInside(path, other)) throw new UsageError(`${name}: must not be inside ${otherName}`)
  if (isInside(other, path)) throw new UsageError(`${name}: ${otherName} must not be inside it`)
}
