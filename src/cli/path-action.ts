/**
 * Verbs that run a long action of the node on paths: `wait`, `warm` and `evict`. With `--json`,
 * every line of the response is printed as JSON. Otherwise a progress bar is shown (lines if there
 * is no terminal), then the result.
 */
import type { Command } from 'commander'
import type { ProgressLine } from '../http/node/node-status.ts'
import { addApiFlags, connectToPaths } from './api-flags.ts'
import { addFlags, readFlags, switchFlag } from '../options/flag.ts'
import { print, Progress } from './output.ts'

const EVICT_FLAGS = { force: switchFlag('evict even if the cloud is unreachable') }

export function addPathAction(
  program: Command,
  action: 'wait' | 'warm' | 'evict',
  description: string,
): void {
  const command = program
    .command(action)
    .argument('<path...>', 'path in the volume, or below its mount point')
    .description(description)
  addApiFlags(command)
  if (action === 'evict') addFlags(command, EVICT_FLAGS)
  command.action(async (texts: string[]) => {
    const { nodes, json } = await connectToPaths(command, texts)
    const isForced = action === 'evict' && readFlags(command, EVICT_FLAGS, process.env).force
    const how = isForced ? { force: true } : {}
    for (const { api, paths } of nodes) {
      const last = await follow(action, api.run(action, paths, how), json)
      if (last === undefined || json) continue
      print({ files: last.doneFiles, sizeBytes: last.doneBytes }, json)
    }
  })
}

async function follow(
  action: string,
  answers: AsyncIterable<ProgressLine>,
  json: boolean,
): Promise<ProgressLine | undefined> {
  using progress = new Progress(action, json)
  let last: ProgressLine | undefined
  for await (const answer of answers) {
    if (json) print(answer, json)
    progress.show(answer)
    last = answer
  }
  return last
}
