/**
 * The cost of FUSE in C: libfuse's example passthrough_ll, compiled from the source that Debian
 * ships with its headers. It has neither cache nor cloud and passes each request to the underlying
 * directory. The kernel may cache its replies, as with CacheFS (cache=always).
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { NotMeasured } from '../not-measured.ts'
import { MountedProgram } from './mounted-program.ts'
import type { Target, TargetSetting } from './target.ts'

const SOURCE = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c'
const HOW_TO_GET = 'apt-get install gcc pkg-config libfuse3-dev fuse3'
const run = promisify(execFile)

export async function openPassthroughTarget({ directory, signal }: TargetSetting): Promise<Target> {
  const mountPoint = join(directory, 'mount')
  const source = join(directory, 'files')
  await mkdir(source)
  const { binary, version } = await compile(directory)
  const program = await MountedProgram.start({
    command: binary,
    args: ['-f', '-o', `source=${source},cache=always`, mountPoint],
    mountPoint,
    signal,
  })
  return {
    name: 'C libfuse',
    isNeeded: false,
    detail: `passthrough_ll of libfuse ${version}, gcc -O2, cache=always`,
    directory: mountPoint,
    settle: () => program.idle(signal),
    makeCold: () => Promise.reject(new NotMeasured('has no cloud')),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

async function compile(directory: string): Promise<{ binary: string; version: string }> {
  const binary = join(directory, 'passthrough_ll')
  if (!existsSync(SOURCE)) throw new NotMeasured(`its source is not installed: ${HOW_TO_GET}`)
  try {
    const { stdout: flags } = await run('pkg-config', ['--cflags', '--libs', 'fuse3'])
    await run('gcc', ['-O2', '-o', binary, SOURCE, ...flags.trim().split(/\s+/)])
    const { stdout: version } = await run('pkg-config', ['--modversion', 'fuse3'])
    return { binary, version: version.trim() }
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (code === 'ENOENT') throw new NotMeasured(`cannot be compiled: ${HOW_TO_GET}`)
    throw new Error(`passthrough_ll does not compile: ${message}`, { cause: error })
  }
}
