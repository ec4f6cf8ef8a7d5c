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
    .argument('<path>', 'in the volume, or under its mount point')
    .description('Show where the bytes of a file or folder are, and whether they are safe')
  addApiFlags(command).action(async (text: string) => {
    const { api, json, path } = await connectToPath(command, text)
    print(await api.about('receipt', path), json)
  })
}
