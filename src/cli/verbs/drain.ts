/**
 * `cachefs drain`: waits until the backlog of a node is empty. Run it before a node is stopped,
 * while it still serves, because a stop uploads for a bounded time only (`nodeLimits.drainMs`).
 * Data that is written meanwhile counts too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { addApiFlags, connect } from '../api-flags.ts'
import { addFlags, flag, readFlags } from '../../options/flag.ts'
import type { Answer, NodeApi } from '../node-api.ts'
import { parseSeconds } from '../../options/node-flags.ts'
import { Progress, print } from '../output.ts'
import { formatSize } from '../../options/size.ts'

const POLL_MS = 200
/** Interval between lines with --json. */
const EVENT_MS = 1000
const FLAGS = {
  timeout: flag('60', {
    value: '<seconds>',
    about: 'timeout; then prints the remaining backlog and exits with status 1',
    parse: parseSeconds,
  }),
}

interface Backlog {
  chunks: number
  bytes: number
}

export function addDrain(program: Command): void {
  const command = program
    .command('drain')
    .description('Wait until everything that only this node has is uploaded, before it is removed')
  addFlags(addApiFlags(command), FLAGS)
  command.action(async () => {
    const { api, json } = await connect(command)
    const { timeout } = readFlags(command, FLAGS, process.env)
    print({ backlog: await drain(api, timeout, json) }, json)
  })
}

async function drain(api: NodeApi, timeoutMs: number, json: boolean): Promise<Backlog> {
  using progress = new Progress('drain', json)
  let most = 0
  let saidMs = performance.now()
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const status = await api.status()
    const { chunks, bytes } = status['backlog'] as Backlog
    if (chunks === 0) return { chunks, bytes }
    most = Math.max(most, bytes)
    if (json && performance.now() - saidMs >= EVENT_MS) {
      saidMs = performance.now()
      print({ backlog: { chunks, bytes } }, json)
    }
    progress.show({ doneBytes: most - bytes, totalBytes: most, counted: true })
    if (performance.now() >= deadlineMs) throw new Error(sentenceOf({ chunks, bytes }, status))
    await sleep(POLL_MS)
  }
}

function sentenceOf({ chunks, bytes }: Backlog, { problems }: Answer): string {
  const known = Array.isArray(problems) && problems.length > 0 ? `: ${problems.join('; ')}` : ''
  return (
    `${chunks} chunks (${formatSize(bytes)}) are not in the cloud yet${known}; ` +
    'they stay on this node and go there when it runs again'
  )
}
