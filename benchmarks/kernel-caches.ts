/**
 * The kernel's caches, which a cold workload must not find filled. Dropping them concerns the whole
 * machine and needs root; what is dirty is written back before, since it cannot be dropped.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { NotMeasured } from './not-measured.ts'

/** What /proc/sys/vm/drop_caches takes: proc(5). */
const DROP = { pages: '1', names: '2', 'pages and names': '3' } as const

export async function dropKernelCaches(what: keyof typeof DROP): Promise<void> {
  try {
    await writeFile('/proc/sys/vm/drop_caches', DROP[what])
  } catch (error) {
    throw new NotMeasured('dropping the kernel caches needs root', { cause: error })
  }
}

/** Everything written to the file system of `directory` is on its disk. */
export async function syncFileSystem(directory: string): Promise<void> {
  await once(spawn('sync', ['-f', directory], { stdio: 'ignore' }), 'close')
}
