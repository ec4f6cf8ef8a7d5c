/**
 * rclone mount with its full cache over a directory. It uploads files soon after they were closed,
 * as CacheFS does, so that both compete with their own uploads; its default is to wait five
 * seconds. It can only be made cold by a restart with an empty cache.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MountedProgram } from './mounted-program.ts'
import type { Target, TargetSetting } from './target.ts'
import { versionOf } from './version-of.ts'

const WRITE_BACK_MS = 100

export async function openRcloneTarget({ directory, signal }: TargetSetting): Promise<Target> {
  const version = await versionOf('rclone', '--version', 'apt-get install rclone fuse3')
  const [mountPoint, cloud, cache] = ['mount', 'cloud', 'cache'].map((it) => join(directory, it))
  await mkdir(cloud!)
  const writeBack = ['--vfs-cache-mode', 'full', '--vfs-write-back', `${WRITE_BACK_MS}ms`]
  const args = ['mount', '--config', '', ...writeBack, '--cache-dir', cache!, cloud!, mountPoint!]
  const start = (): Promise<MountedProgram> =>
    MountedProgram.start({ command: 'rclone', args, mountPoint: mountPoint!, signal })
  let program = await start()
  const settle = async (): Promise<void> => {
    await delay(2 * WRITE_BACK_MS, undefined, { signal })
    await program.idle(signal)
  }
  return {
    name: 'rclone mount',
    isNeeded: false,
    detail: `${version}, ${writeBack.join(' ')}, over a directory`,
    directory: mountPoint!,
    settle,
    makeCold: async () => {
      await settle()
      await program[Symbol.asyncDispose]()
      await rm(cache!, { recursive: true, force: true })
      program = await start()
      await dropKernelCaches('pages')
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
