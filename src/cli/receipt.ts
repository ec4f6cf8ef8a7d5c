/** `cachefs receipt PATH`: where the bytes of a file are, and whether they are safe. */
import type { Command } from 'commander'
import { addApiFlags, connect } from './api-flags.ts'
import { print } from './output.ts'
import { volumePath } from './volume-path.ts'

export function addReceipt(program: Command): void {
  const command = program
    .command('receipt')
    .argument('<path>', 'in the volume, or under its mount point')
    .description('Show where the bytes of a file are, and whether they are safe')
  addApiFlags(command).action(async (path: string) => {
    const { api, json } = await connect(command)
    const { mountPoint } = await api.status()
    print(await api.about('receipt', await volumePath(path, mountPoint)), json)
  })
}
