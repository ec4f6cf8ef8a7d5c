/**
 * One node in this process, until it is stopped. It is loaded when it is started: what a verb says
 * about its flags needs none of it.
 */
import { abortMountSync } from '../fuse/mount.ts'
import { runInForeground } from './foreground.ts'
import type { NodeOptions } from './node-options.ts'
import type { RunningNode } from './running-node.ts'

export async function runNode(
  options: NodeOptions,
  announce: (node: RunningNode) => void | Promise<void>,
): Promise<void> {
  await runInForeground({
    subsystem: 'CLIENT',
    options,
    async start(logger) {
      const { startNode } = await import('./node.ts')
      return await startNode(options, { logger })
    },
    announce,
    // No dead mount stays behind.
    abandon: () => abortMountSync(options.mountPoint),
  })
}
