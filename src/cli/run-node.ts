/**
 * One node, until it is stopped, under a supervisor in this process. It is loaded when it is
 * started: what a verb says about its flags needs none of it.
 */
import { runInForeground } from './foreground.ts'
import type { NodeOptions } from './node-options.ts'
import type { RunningNode } from './running-node.ts'
import { Supervisor } from './supervisor.ts'

export async function runNode(
  options: NodeOptions,
  announce: (node: RunningNode) => void | Promise<void>,
): Promise<void> {
  let supervisor: Supervisor | undefined
  await runInForeground({
    subsystem: 'CLIENT',
    options,
    start: async (logger) => (supervisor = await Supervisor.start(options, logger)),
    announce,
    describe: ({ mount, apiUrl }) => `mounted at ${mount.mountPoint}, API at ${apiUrl}`,
    // No dead mount stays behind.
    abandon: () => supervisor?.abandon(),
  })
}
