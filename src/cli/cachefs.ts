/**
 * `bin/cachefs`: the program for people. It starts a node, talks to the API of one that runs, and
 * says what a machine lacks. One verb, one file.
 */
import { Command } from 'commander'
import { packageVersion } from '../base/package-version.ts'
import { runCommandLine } from './command-line.ts'
import { addDoctor } from './doctor.ts'
import { addDurability } from './durability.ts'
import { addDrain } from './drain.ts'
import { addEvict } from './evict.ts'
import { addExplain } from './explain.ts'
import { environmentHelp } from './flag.ts'
import { addMissing } from './missing.ts'
import { addMount } from './mount.ts'
import { addPeers } from './peers.ts'
import { addReceipt } from './receipt.ts'
import { addRestore } from './restore.ts'
import { addStatus } from './status.ts'
import { addUmount } from './umount.ts'
import { addUp } from './up.ts'
import { addWait } from './wait.ts'
import { addUpgrade } from './upgrade.ts'
import { addWarm } from './warm.ts'

const program = new Command('cachefs')
  .description('A directory at NVMe speed whose files are safe in object storage.')
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
]) {
  add(program)
}
program.addHelpText('afterAll', environmentHelp())
await runCommandLine(program, process.argv.slice(2))
