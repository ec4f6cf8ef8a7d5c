/**
 * `cachefs doctor`: checks the requirements of a node on this machine. Prints one line per check,
 * and a remedy for each that fails. Changes nothing. Exit status 1 if a check fails.
 */
import type { Command } from 'commander'
import { DIR_FLAG, JSON_FLAG } from '../api-flags.ts'
import type { Finding } from '../../doctor/doctor-check.ts'
import { addFlags, readFlags } from '../../options/flag.ts'
import { checkMachine } from '../../doctor/machine-checks.ts'
import { checkNode } from '../../doctor/node-checks.ts'
import { addNodeFlags, readNodeOptions } from '../../options/node-options.ts'
import { StateFolder } from '../../machine/state-folder.ts'

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('Check whether this machine can run a node (takes the flags of the node)')
  addFlags(command, { ...DIR_FLAG, ...JSON_FLAG })
  addNodeFlags(command)
  command.action(async () => {
    const { dir, json } = readFlags(command, { ...DIR_FLAG, ...JSON_FLAG }, process.env)
    const { nodeDefaults } = new StateFolder(dir)
    const given = readNodeOptions(command, process.env, nodeDefaults)
    const isOwn = given.cloud.provider === 'file' && given.cloud.dir === nodeDefaults['cloud-dir']
    const options = isOwn ? { ...given, create: true } : given
    const findings = [...(await checkMachine()), ...(await checkNode(options))]
    if (json) console.log(JSON.stringify(findings))
    else for (const finding of findings) console.log(lineOf(finding))
    if (findings.some(({ ok }) => !ok)) process.exitCode = 1
  })
}

function lineOf({ name, ok, detail, remedy }: Finding): string {
  const line = `${ok ? 'ok     ' : 'missing'}  ${name}: ${detail}`
  return ok ? line : `${line}\n         ${remedy}`
}
