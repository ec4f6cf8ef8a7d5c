/**
 * `cachefs durability PATH [WHERE]`: shows the durability of a file or folder; with WHERE, sets it.
 */
import { Argument, type Command } from 'commander'
import { addApiFlags, connectToPath } from '../api-flags.ts'
import { parseDurability } from '../../options/node-flags.ts'
import { print } from '../output.ts'
import { UsageError } from '../../options/usage-error.ts'

/** Removes the setting of the folder. */
const INHERIT = 'inherit'

export function addDurability(program: Command): void {
  const command = program
    .command('durability')
    .argument('<path>', 'path in the volume, or below its mount point')
    .addArgument(
      new Argument('[where]', 'local, peers=N or cloud; inherit: as the parent directory'),
    )
    .description('Show or set the durability of a directory: where data is when close() returns')
  addApiFlags(command).action(async (text: string, where?: string) => {
    const wanted = where === undefined ? undefined : parse(where)
    const { api, json, path } = await connectToPath(command, text)
    if (wanted === undefined) print(await api.about('durability', path), json)
    else print(await api.setDurability(path, wanted === INHERIT ? null : wanted), json)
  })
}

function parse(where: string): string {
  if (where.toLowerCase() === INHERIT) return INHERIT
  try {
    return parseDurability(where)
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`)
    throw error
  }
}
