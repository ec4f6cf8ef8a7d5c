/**
 * Mounts for tests, each in its own folder and removed with the test. Without FUSE on the machine
 * the tests fail with an error; only CACHEFS_NO_FUSE=1 skips them.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, mkdtempSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { FuseServer, type FuseServerOptions } from '../../src/fuse/fuse-server.ts'
import { abortMountSync } from '../../src/fuse/mount/mount.ts'
import { MemoryTree } from './fuse-memory-tree.ts'
import { SlowTree } from './fuse-slow-tree.ts'

/** Options of a suite that mounts. */
export const withFuse = { skip: process.env['CACHEFS_NO_FUSE'] === '1', timeout: 180_000 }

if (!withFuse.skip) {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (cause) {
    throw new Error('these tests need /dev/fuse and root; CACHEFS_NO_FUSE=1 leaves them out', {
      cause,
    })
  }
}

/** Servers of a test: hooks run in the order of registration, and a server must close first. */
const servers = new WeakMap<TestContext, FuseServer[]>()

/** Creates an empty folder to mount on; unmounts and removes it after the test. */
export function scratchFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cachefs-fuse-'))
  t.after(async () => {
    await Promise.all((servers.get(t) ?? []).map((server) => server.close()))
    abortMountSync(folder)
    await rmdir(folder)
  })
  return folder
}

async function openFor(t: TestContext, options: FuseServerOptions): Promise<FuseServer> {
  const server = await FuseServer.open(options)
  servers.set(t, [...(servers.get(t) ?? []), server])
  return server
}

type Changes = Partial<FuseServerOptions>

/** Mounts a `MemoryTree` with one worker, because its state belongs to one thread. */
export async function mountMemoryTree(t: TestContext, changes: Changes = {}): Promise<FuseServer> {
  return openFor(t, {
    mountPoint: scratchFolder(t),
    source: 'memory',
    fileSystem: new MemoryTree(),
    worker: { module: new URL('./fuse-memory-tree.ts', import.meta.url), count: 1 },
    resolveWait: () => Promise.reject(new Error('nothing waits here')),
    ...changes,
  })
}

/** Mounts a `SlowTree` with two workers; `release` completes the slow operations. */
export async function mountSlowTree(t: TestContext, changes: Changes = {}) {
  const memory = new SharedArrayBuffer(4)
  const hints: unknown[] = []
  const logged: string[] = []
  const server = await openFor(t, {
    mountPoint: scratchFolder(t),
    source: 'slow',
    fileSystem: new SlowTree(memory, { hint: () => true }),
    worker: { module: new URL('./fuse-slow-tree.ts', import.meta.url), data: memory, count: 2 },
    resolveWait: () => Promise.resolve(undefined),
    onHint: (hint) => hints.push(hint),
    log: (line) => logged.push(line),
    ...changes,
  })
  const path = (name: string): string => join(server.mountPoint, name)
  const release = (): number => Atomics.store(new Int32Array(memory), 0, 1)
  return { server, path, release, hints, logged }
}

export interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs a program until it ends in any way. */
export function run(program: string, ...args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 20_000 }, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    )
  })
}
