/**
 * `cachefs unavailable` (`missing`): lists unavailable files. Exit status 1 if there are any, for
 * scripts.
 */
import type { Command } from 'commander'
import { addApiFlags, connect } from '../api-flags.ts'
import { print } from '../output.ts'
import { formatSize } from '../../options/size.ts'

export function addMissing(program: Command): void {
  const command = program
    .command('missing')
    .alias('unavailable')
    .description(
      'List unavailable files: data is lost, or only on offline nodes; exits with 1 if any',
    )
  addApiFlags(command).action(async () => {
    const { api, json } = await connect(command)
    const answer = await api.missing()
    if (json) print(answer, json)
    else {
      for (const { path, missingBytes, holders, reason, durableSize } of answer.files) {
        const who = holders.length === 0 ? 'no node has it' : `only ${holders.join(', ')} has it`
        const why = reason === null ? who : `lost, ${reason}`
        const past =
          durableSize === null ? '' : `; the cloud has ${formatSize(durableSize)} of before`
        console.log(`${path}  ${formatSize(missingBytes)}: ${why}${past}`)
      }
      if (answer.more) console.log('and more')
    }
    if (answer.files.length > 0) process.exitCode = 1
  })
}
