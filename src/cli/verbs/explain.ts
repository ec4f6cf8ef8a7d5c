/** `cachefs explain PATH`: shows from where a read of a file would be served, and why. */
import type { Command } from 'commander'
import { addApiFlags, connectToPath } from '../api-flags.ts'
import { print } from '../output.ts'

export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .argument('<path>', 'path in the volume, or below its mount point')
    .description('Show which tier would serve reads of a file, and why')
  addApiFlags(command).action(async (text: string) => {
    const { api, json, path } = await connectToPath(command, text)
    print(await api.about('explain', path), json)
  })
}
