/**
 * `bin/cachefs`, the program for users: starts a node, calls the API of a running one, and checks
 * what a machine lacks. Every verb has its own file in verbs/.
 */
import { Command } from 'commander'
import { packageVersion } from '../base/package-version.ts'
import { runCommandLine } from './command-line.ts'
import { addDoctor } from './verbs/doctor.ts'
import { addDurability } from './verbs/durability.ts'
import { addDrain } from './verbs/drain.ts'
import { addEvict } from './verbs/evict.ts'
import { addExplain } from './verbs/explain.ts'
import { environmentHelp } from '../options/flag.ts'
import { addLimits } from './verbs/limits.ts'
import { addMissing } from './verbs/missing.ts'
import { addMount } from './verbs/mount.ts'
import { addPeers } from './verbs/peers.ts'
import { addReceipt } from './verbs/receipt.ts'
import { addRestore } from './verbs/restore.ts'
import { addStatus } from './verbs/status.ts'
import { addUmount } from './verbs/umount.ts'
import { addUp } from './verbs/up.ts'
import { addWait } from './verbs/wait.ts'
import { addUpgrade } from './verbs/upgrade.ts'
import { addWarm } from './verbs/warm.ts'

const program = new Command('cachefs')
  .description('A distributed file system: local NVMe speed, data in object storage.')
  .version(packageVersion())
for (const add of [
  addUp,
  addMount,
  addUmount,
  addStatus,
  addWait,
  addDrain,
  addReceipt,
  addDurability,
  addMissing,
  addPeers,
  addRestore,
  addUpgrade,
  addWarm,
  addEvict,
  addExplain,
  addDoctor,
  addLimits,
]) {
  add(program)
}
program.addHelpText('afterAll', environmentHelp())
await runCommandLine(program, process.argv.slice(2))
