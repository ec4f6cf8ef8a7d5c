/**
 * Drops the kernel's caches before cold workloads. This affects the whole machine and needs root.
 * Dirty pages are written back first, because they cannot be dropped.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { NotMeasured } from './not-measured.ts'

/** Values of /proc/sys/vm/drop_caches: proc(5). */
const DROP = { pages: '1', names: '2', 'pages and names': '3' } as const

export async function dropKernelCaches(what: keyof typeof DROP): Promise<void> {
  try {
    await writeFile('/proc/sys/vm/drop_caches', DROP[what])
  } catch (error) {
    throw new NotMeasured('dropping the kernel caches needs root', { cause: error })
  }
}

/** Syncs the file system of `directory`. */
export async function syncFileSystem(directory: string): Promise<void> {
  await once(spawn('sync', ['-f', directory], { stdio: 'ignore' }), 'close')
}
