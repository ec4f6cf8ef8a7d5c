/**
 * s3fs with a local cache, on the S3 server of the tests (s3rver, on the same machine). It uploads
 * in `close`. It can only be made cold by a restart with an empty cache.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startS3Server } from '../../test/fixtures/s3-server.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MountedProgram } from './mounted-program.ts'
import type { Target, TargetSetting } from './target.ts'
import { versionOf } from './version-of.ts'

export async function openS3fsTarget({ directory, signal }: TargetSetting): Promise<Target> {
  const text = await versionOf('s3fs', '--version', 'apt-get install s3fs')
  const version = /V\S+/.exec(text)?.[0] ?? ''
  const mountPoint = join(directory, 'mount')
  const cache = join(directory, 'cache')
  await using started = new AsyncDisposableStack()
  const server = started.use(await startS3Server())
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = server.options
  const options = [
    `url=${endpoint},endpoint=${region},use_path_request_style,nomultipart,use_cache=${cache}`,
    // By default s3fs checks the age of every cached name; here both keep names equally long.
    'stat_cache_expire=3600,enable_noobj_cache',
  ].join(',')
  const keys = { AWSACCESSKEYID: accessKeyId ?? '', AWSSECRETACCESSKEY: secretAccessKey ?? '' }
  const start = (): Promise<MountedProgram> =>
    MountedProgram.start({
      command: 's3fs',
      args: [bucket, mountPoint, '-f', '-o', options],
      environment: keys,
      mountPoint,
      signal,
    })
  let program = await start()
  started.defer(() => program[Symbol.asyncDispose]())
  const all = started.move()
  return {
    name: 's3fs',
    isNeeded: false,
    detail: `s3fs ${version} over s3rver, nomultipart, use_cache, stat_cache_expire=3600`,
    directory: mountPoint,
    settle: () => program.idle(signal),
    makeCold: async () => {
      await program[Symbol.asyncDispose]()
      await rm(cache, { recursive: true, force: true })
      program = await start()
      await dropKernelCaches('pages')
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  }
}
