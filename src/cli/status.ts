/** `cachefs status`: what a node holds, does, and still has to bring to the cloud. */
import type { Command } from 'commander'
import { addApiFlags, connect } from './api-flags.ts'
import { print } from './output.ts'

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('Show what a node holds, does, and still has to bring to the cloud')
  addApiFlags(command).action(async () => {
    const { api, json } = await connect(command)
    print(await api.status(), json)
  })
}
