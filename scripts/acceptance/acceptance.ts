/**
 * Runs all acceptance steps on one cloud, with a new node in new directories: see run.sh. Prints
 * what was checked; the first mismatch ends it with exit status 1.
 */
import { rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ClientHome } from '../../test/fixtures/client-process.ts'
import { CLOUDS, openCloud, type CloudName } from './clouds.ts'
import { gitStep } from './git-step.ts'
import { makeStep } from './make-step.ts'
import { missingTools } from './needed-tools.ts'
import { sqliteStep } from './sqlite-step.ts'
import { Stage } from './stage.ts'
import { toolsStep } from './tools-step.ts'
import { treeStep, type TreeSize } from './tree-step.ts'

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      files: { type: 'string', default: '20000' },
      megabytes: { type: 'string', default: '1024' },
    },
  })
  const cloud = CLOUDS.find((name) => name === (positionals[0] ?? 'file'))
  const size = { files: Number(values.files), megabytes: Number(values.megabytes) }
  if (cloud === undefined || !(size.files >= 0) || !(size.megabytes >= 0)) {
    throw new Error(`usage: run.sh [${CLOUDS.join('|')}] [--files N] [--megabytes N]`)
  }
  const missing = missingTools()
  if (missing.length > 0) {
    throw new Error(`not installed: ${missing.join(', ')} (Debian: apt-get install ...)`)
  }
  await runSteps(cloud, size)
}

async function runSteps(name: CloudName, size: TreeSize): Promise<void> {
  const start = performance.now()
  const say = (line: string): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6)
    console.log(`${seconds} s  ${name}  ${line}`)
  }
  using home = new ClientHome()
  const scratch = mkdtempSync(join(tmpdir(), 'cachefs-local-'))
  try {
    await using cloud = await openCloud(name)
    const stage = await Stage.open({ home, scratch, client: cloud.client, say })
    try {
      await playSteps(stage, size)
    } catch (error) {
      const { exitCode, signalCode } = stage.node.child
      console.error(`node: ${exitCode ?? signalCode ?? 'running'}`)
      console.error(stage.node.log.slice(-20).join(''))
      throw error
    }
    say(`all as it should be; the node has used at most ${stage.peakRssMib} MiB of memory`)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function playSteps(stage: Stage, size: TreeSize): Promise<void> {
  await treeStep(stage, size)
  await gitStep(stage, { commits: 50 })
  await sqliteStep(stage, { rounds: 5, runMs: 1500 })
  makeStep(stage, { modules: 30 })
  await toolsStep(stage)
  await stage.close()
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error)
  if (error instanceof Error && error.cause) console.error(error.cause)
  process.exitCode = 1
}
