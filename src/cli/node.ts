/** One node in this process: puts names, bytes, mount and API together. */
import type { Logger } from '../base/logger.ts'
import type { NodeOptions } from './node-options.ts'
import type { RunningNode } from './running-node.ts'

export async function startNode(
  options: NodeOptions,
  { logger }: { logger: Logger },
): Promise<RunningNode> {
  logger.debug({ options }, 'asked to start')
  throw new Error('this version of CacheFS cannot start a node yet')
}
