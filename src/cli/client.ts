/**
 * `bin/client`: runs one node in the foreground, for services and scripts. Prints one line, `ready
 * mount=... api=...`, when the mount and the API answer.
 */
import { Command } from 'commander'
import { packageVersion } from '../base/package-version.ts'
import { runCommandLine } from './command-line.ts'
import { environmentHelp } from '../options/flag.ts'
import { addNodeFlags, readNodeOptions } from '../options/node-options.ts'
import { runNode } from '../node/run-node.ts'

const program = new Command('client')
  .description('Run a CacheFS node in the foreground: mount the volume and serve the API.')
  .version(packageVersion())
  .allowExcessArguments(false)
addNodeFlags(program)
program.addHelpText('after', environmentHelp())
program.action(async () => {
  const options = readNodeOptions(program, process.env)
  await runNode(options, options.nvmeDir, (node) => {
    console.log(`ready mount=${node.mount.mountPoint} api=${node.apiUrl}`)
  })
})
await runCommandLine(program, process.argv.slice(2))
