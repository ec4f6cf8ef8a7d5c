/**
 * `cachefs restore PATH`: replaces an unavailable file by its last durable version, when the node
 * that has the newer one does not return.
 */
import type { Command } from 'commander'
import { addApiFlags, connectToPath } from '../api-flags.ts'
import { print } from '../output.ts'

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .argument('<path>', 'path in the volume, or below its mount point')
    .description('Restore the last durable version of an unavailable file; later data is discarded')
  addApiFlags(command).action(async (text: string) => {
    const { api, json, path } = await connectToPath(command, text)
    print(await api.restore(path), json)
  })
}
