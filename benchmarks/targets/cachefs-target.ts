/** CacheFS: one node as users run it, with a directory as cloud. */
import { join } from 'node:path'
import { keyAt } from '../../src/machine/running-record.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { NotMeasured } from '../not-measured.ts'
import { MountedProgram } from './mounted-program.ts'
import type { Target, TargetSetting } from './target.ts'

const ENTRY = join(import.meta.dirname, '../../src/cli/client.ts')

export async function openCacheFsTarget(setting: TargetSetting): Promise<Target> {
  const { directory, signal, profileDirectory } = setting
  const mountPoint = join(directory, 'mount')
  const profile = profileDirectory ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : []
  const folders = [
    '-nvme',
    join(directory, 'nvme'),
    '-cloud-dir',
    join(directory, 'cloud'),
    '-create',
  ]
  const program = await MountedProgram.start({
    command: process.execPath,
    args: [...profile, ENTRY, '-mount', mountPoint, ...folders, '-port', '0'],
    mountPoint,
    ready: /^ready .*$/m,
    signal,
  })
  const api = new NodeApi(/^ready .*api=(\S*)/m.exec(program.output)?.[1] ?? '', signal)
  return {
    name: 'CacheFS',
    isNeeded: true,
    detail: 'bin/client with its defaults, a directory as cloud',
    directory: mountPoint,
    settle: () => program.idle(signal),
    makeCold: async (folder) => {
      const path = folder.slice(mountPoint.length)
      await api.act('wait', path)
      await api.act('evict', path)
      await dropKernelCaches('pages')
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

class NodeApi {
  readonly #url: string
  readonly #signal: AbortSignal

  constructor(url: string, signal: AbortSignal) {
    this.#url = url
    this.#signal = signal
  }

  async act(verb: 'wait' | 'evict', path: string): Promise<void> {
    if (this.#url === '') throw new NotMeasured('the node serves no HTTP API to evict with')
    const key = (await keyAt(this.#url)) ?? ''
    const response = await fetch(`${this.#url}/api/${verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ paths: [path] }),
      signal: this.#signal,
    })
    const text = await response.text()
    if (response.status === 404) throw new NotMeasured(`the node's API has no /api/${verb}`)
    if (!response.ok || text.includes('"error"')) throw new Error(`/api/${verb}: ${text.trim()}`)
  }
}
