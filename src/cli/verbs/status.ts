/**
 * `cachefs status`: shows the state of a node, its backlog, its problems, and the cluster that it
 * belongs to.
 */
import type { Command } from 'commander'
import { addApiFlags, connect } from '../api-flags.ts'
import { clusterLines } from '../cluster-table.ts'
import type { ClusterAnswer } from '../cluster-table.ts'
import { print } from '../output.ts'
import type { Problem } from '../../http/server/problem.ts'

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('Show the cache, uploads, mount and peers of a node')
  addApiFlags(command).action(async () => {
    const { api, json } = await connect(command)
    const status = await api.status()
    if (json) {
      print(status, json)
      return
    }
    const { cluster, problems = [], away = [], ...node } = status
    print(node, json)
    for (const line of problemLines(problems as string[], away as Problem[])) console.log(line)
    if (cluster === undefined) return
    console.log(`\n${clusterLines(cluster as ClusterAnswer).join('\n')}`)
  })
}

/**
 * One block per problem: what does not work, since when and why; then what works and what fails.
 */
function problemLines(sentences: string[], problems: Problem[]): string[] {
  return problems.flatMap(({ works, fails }, at) => [
    `\n${sentences[at] ?? ''}`,
    `  works: ${works}`,
    `  fails: ${fails}`,
  ])
}
