/**
 * `bin/coordinator`: runs a coordinator in the foreground, for services and scripts. Prints one
 * line, `ready api=...`, when nodes can connect. `coordinator migrate` moves the metadata to
 * PostgreSQL; `coordinator join-token` prints the join token.
 */
import { Command } from 'commander'
import { packageVersion } from '../base/package-version.ts'
import { runCommandLine } from './command-line.ts'
import {
  COORDINATOR_FLAGS,
  USUAL_DATA,
  addCoordinatorFlags,
  readCoordinatorOptions,
} from '../options/coordinator-options.ts'
import { addFlags, environmentHelp, readFlags, switchFlag } from '../options/flag.ts'
import { runInForeground } from '../daemon/foreground.ts'

const program = new Command('coordinator')
  .description('Run the metadata coordinator of a volume that several nodes mount.')
  .version(packageVersion())
  .allowExcessArguments(false)
  // Flags after the verb belong to the verb.
  .enablePositionalOptions()
addCoordinatorFlags(program)
program.addHelpText('after', environmentHelp('api-key'))
program.action(async () => {
  const options = readCoordinatorOptions(program, process.env)
  await runInForeground({
    subsystem: 'COORDINATOR',
    options,
    async start(logger) {
      const { startCoordinator } = await import('../node/start-coordinator.ts')
      const running = await startCoordinator(options, { logger })
      if (options.postgres?.hasPassword && program.opts<{ store?: string }>().store) {
        logger.warn('a password on the command line is seen by others: use CACHEFS_STORE instead')
      }
      return running
    },
    announce: ({ apiUrl }) => console.log(`ready api=${apiUrl}`),
    describe: ({ apiUrl }) => `nodes connect at ${apiUrl}`,
  })
})
const migration = new Command('migrate').description(
  'Move the metadata from SQLite in --data to --store, an empty PostgreSQL database.',
)
addCoordinatorFlags(migration)
migration.action(async () => {
  const { migrate } = await import('./verbs/migrate.ts')
  console.log(await migrate(readCoordinatorOptions(migration, process.env)))
})
program.addCommand(migration)
const JOIN_TOKEN_FLAGS = {
  data: COORDINATOR_FLAGS.data,
  rotate: switchFlag('replace the token; the previous one is no longer accepted'),
}
const joining = new Command('join-token').description(
  'Print the token with which new nodes join (client --join-token-file); kept in --data.',
)
addFlags(joining, JOIN_TOKEN_FLAGS)
joining.action(async () => {
  const { keptJoinToken } = await import('../node/join-token.ts')
  const { data = USUAL_DATA, rotate } = readFlags(joining, JOIN_TOKEN_FLAGS, process.env)
  console.log(keptJoinToken(data, { replace: rotate }))
})
program.addCommand(joining)
await runCommandLine(program, process.argv.slice(2))
