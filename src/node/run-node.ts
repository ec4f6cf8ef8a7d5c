/**
 * Runs one node under a supervisor in this process until it is stopped: finds its keys, starts the
 * supervisor, and records the running node. The modules of the node itself are loaded only in the
 * daemon process, so that help and flag errors of a verb do not load them.
 */
import type { Logger } from '../base/log/logger.ts'
import { findSecrets, keepSecrets } from './api-secrets.ts'
import { clusterKey } from './cluster-key.ts'
import { runInForeground } from '../daemon/foreground.ts'
import type { KeyedOptions, NodeOptions } from '../options/node-options.ts'
import { recordRunning } from '../machine/running-record.ts'
import type { RunningNode } from '../daemon/running-node.ts'
import { Supervisor } from '../daemon/supervisor.ts'

/** `folder`: state folder for its keys and its running record. */
export async function runNode(
  given: NodeOptions,
  folder: string,
  announce: (node: RunningNode) => void | Promise<void>,
): Promise<void> {
  let supervisor: Supervisor | undefined
  await using record = new AsyncDisposableStack()
  await runInForeground({
    subsystem: 'CLIENT',
    options: given,
    start: async (logger, stopping) => {
      const options = await keyed(given, folder, { logger, stopping })
      supervisor = await Supervisor.start(options, logger)
      try {
        const { apiUrl, mount } = supervisor
        const { apiKey, hasClusterKey } = options
        keepSecrets(folder, options, hasClusterKey ? { ...given, apiKey } : given)
        const facts = { kind: 'node', folder, apiUrl, mountPoint: mount.mountPoint } as const
        record.use(await recordRunning({ ...facts, apiKey }, logger))
        return supervisor
      } catch (error) {
        await supervisor.stop()
        throw error
      }
    },
    announce,
    describe: ({ mount, apiUrl }) => `mounted at ${mount.mountPoint}, API at ${apiUrl}`,
    // Leaves no dead mount behind.
    abandon: () => supervisor?.abandon(),
  })
}

/**
 * Adds the keys: that of the cluster, or one of its own for a single-node volume or a node that
 * joins with a join token.
 */
async function keyed(
  given: NodeOptions,
  folder: string,
  wait: { logger: Logger; stopping: AbortSignal },
): Promise<KeyedOptions> {
  const { coordinator, joinToken, metricsToken } = given
  const isAlone = coordinator === 'embedded'
  const needsNone = isAlone || joinToken !== undefined
  const apiKey = given.apiKey ?? (needsNone ? undefined : await clusterKey(coordinator, wait))
  const hasClusterKey = !isAlone && apiKey !== undefined
  return { ...given, ...findSecrets(folder, { apiKey, metricsToken }), hasClusterKey }
}
