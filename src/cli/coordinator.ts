/**
 * `bin/coordinator`: who keeps the names for many nodes, in the foreground, as services and scripts
 * run it. It prints one line, `ready api=...`, when nodes can connect.
 */
import { Command } from 'commander'
import { packageVersion, runCommandLine } from './command-line.ts'
import { addCoordinatorFlags, readCoordinatorOptions } from './coordinator-options.ts'
import { environmentHelp } from './flag.ts'
import { runInForeground } from './foreground.ts'

const program = new Command('coordinator')
  .description('Keep the names of a volume for many nodes, and know which nodes are there.')
  .version(packageVersion())
  .allowExcessArguments(false)
addCoordinatorFlags(program)
program.addHelpText('after', environmentHelp('api-key'))
program.action(async () => {
  const options = readCoordinatorOptions(program, process.env)
  // What `ps` shows is not to have the password of a URL.
  if (options.postgres) process.title = `coordinator --store ${options.postgres.shown}`
  await runInForeground({
    subsystem: 'COORDINATOR',
    options,
    async start(logger) {
      if (options.postgres?.hasPassword && program.opts<{ store?: string }>().store) {
        logger.warn('a password on the command line is seen by others: use CACHEFS_STORE instead')
      }
      const { startCoordinator } = await import('./start-coordinator.ts')
      return await startCoordinator(options, { logger })
    },
    announce: ({ apiUrl }) => console.log(`ready api=${apiUrl}`),
    describe: ({ apiUrl }) => `nodes connect at ${apiUrl}`,
  })
})
await runCommandLine(program, process.argv.slice(2))
