/** The baseline: a plain directory on the file system on which all targets store their data. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dropKernelCaches } from '../kernel-caches.ts'
import type { Target, TargetSetting } from './target.ts'

export async function openNativeTarget({ directory }: TargetSetting): Promise<Target> {
  const path = join(directory, 'files')
  await mkdir(path)
  const type = await fileSystemType(path)
  return {
    name: `native ${type}`,
    isNeeded: true,
    detail: `a plain directory on ${type}; its "cold from the cloud" is cold from the disk`,
    directory: path,
    settle: () => Promise.resolve(),
    makeCold: () => dropKernelCaches('pages'),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** The mount that contains the path: the longest mount point above it. */
async function fileSystemType(path: string): Promise<string> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  let best = { mountPoint: '', type: 'file system' }
  for (const line of table.split('\n')) {
    const [, , , , mountPoint = '', ...rest] = line.split(' ')
    const isAbove = `${path}/`.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`)
    if (!isAbove || mountPoint.length < best.mountPoint.length) continue
    best = { mountPoint, type: rest[rest.indexOf('-') + 1] ?? best.type }
  }
  return best.type
}
