/** `cachefs explain PATH`: from where a read of a file would be answered, and why. */
import type { Command } from 'commander'
import { addApiFlags, connect } from './api-flags.ts'
import { print } from './output.ts'
import { volumePath } from './volume-path.ts'

export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .argument('<path>', 'in the volume, or under its mount point')
    .description('Show from where a read of a file would be answered, and why')
  addApiFlags(command).action(async (path: string) => {
    const { api, json } = await connect(command)
    const { mountPoint } = await api.status()
    print(await api.about('explain', await volumePath(path, mountPoint)), json)
  })
}
