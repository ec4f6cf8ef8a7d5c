/**
 * `cachefs receipt PATH`: shows where the bytes of a file or tree are, and whether they are
 * durable.
 */
import type { Command } from 'commander'
import { addApiFlags, connectToPath } from '../api-flags.ts'
import { print } from '../output.ts'

export function addReceipt(program: Command): void {
  const command = program
    .command('receipt')
    .argument('<path>', 'path in the volume, or below its mount point')
    .description('Show where the data of a file or directory is stored, and whether it is durable')
  addApiFlags(command).action(async (text: string) => {
    const { api, json, path } = await connectToPath(command, text)
    print(await api.about('receipt', path), json)
  })
}
