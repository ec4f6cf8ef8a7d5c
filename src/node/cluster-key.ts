/**
 * Finds the API key of a cluster for a node that was given none. The key is read from the running
 * record of a coordinator on the same machine, started by the same user. The coordinator may start
 * after the node: the node waits for it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { FsError } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { isLoopback } from '../options/loopback.ts'
import { keyAt } from '../machine/running-record.ts'

const POLL_MS = 200
const PROBE_MS = 2000
/** Number of answers of a coordinator without a record after which the search fails. */
const ANSWERS_MAX = 10

/** `addresses`: host:port of the coordinators, comma separated. EACCES: the key cannot be found. */
export async function clusterKey(
  addresses: string,
  { logger, stopping }: { logger: Logger; stopping: AbortSignal },
): Promise<string> {
  const urls = addresses.split(',').map((address) => `http://${address}`)
  const isHere = urls.every((url) => isLoopback(new URL(url).hostname))
  if (!isHere) throw unknownKey(addresses)
  for (let answered = 0, isSaid = false; ;) {
    for (const url of urls) {
      const key = await keyAt(url)
      if (key !== undefined) return key
      // A coordinator that has just begun to listen has not written its record yet.
      if ((await answers(url)) && ++answered > ANSWERS_MAX) throw unknownKey(addresses)
    }
    if (!isSaid && answered === 0) {
      logger.warn(`waiting for the coordinator at ${addresses}: start it`)
      isSaid = true
    }
    await delay(POLL_MS, undefined, { signal: stopping })
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PROBE_MS)
    return (await fetch(`${url}/api/health/live`, { signal })).ok
  } catch {
    return false
  }
}

function unknownKey(addresses: string): FsError {
  const message =
    `the API key of the coordinator at ${addresses} is not known here: give it with ` +
    '--api-key-file or CACHEFS_API_KEY (the coordinator keeps it in the file api-key of its --data)'
  return new FsError('EACCES', message)
}
