/**
 * `cachefs restore PATH`: gives a file up as it was left by a node that is gone for good, and takes
 * the last version that the cloud has whole.
 */
import type { Command } from 'commander'
import { addApiFlags, connect } from './api-flags.ts'
import { print } from './output.ts'
import { volumePath } from './volume-path.ts'

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .argument('<path>', 'in the volume, or under its mount point')
    .description('Take a missing file as the cloud last had it; what is missing is given up')
  addApiFlags(command).action(async (path: string) => {
    const { api, json } = await connect(command)
    const { mountPoint } = await api.status()
    print(await api.restore(await volumePath(path, mountPoint)), json)
  })
}
