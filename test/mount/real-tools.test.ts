/**
 * A small version of scripts/acceptance/run.sh, with a directory as cloud: real programs on a real
 * mount, compared with the local file system, with passthrough for every eligible file and without
 * passthrough.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { gitStep } from '../../scripts/acceptance/git-step.ts'
import { makeStep } from '../../scripts/acceptance/make-step.ts'
import { missingTools } from '../../scripts/acceptance/needed-tools.ts'
import { sqliteStep } from '../../scripts/acceptance/sqlite-step.ts'
import { Stage } from '../../scripts/acceptance/stage.ts'
import { toolsStep } from '../../scripts/acceptance/tools-step.ts'
import { treeStep } from '../../scripts/acceptance/tree-step.ts'
import { ClientHome } from '../fixtures/client-process.ts'

const missing = missingTools()
const options = {
  timeout: 120_000,
  skip: missing.length > 0 ? `not installed: ${missing.join(', ')}` : false,
}

type Step = (stage: Stage) => Promise<void> | void

async function play(t: TestContext, passthrough: string, step: Step): Promise<void> {
  using home = new ClientHome()
  const scratch = mkdtempSync(join(tmpdir(), 'cachefs-local-'))
  t.after(() => {
    rmSync(scratch, { recursive: true, force: true })
  })
  const client = { flags: ['-chunk-size', '1', '-passthrough', passthrough] }
  const say = (line: string): void => {
    t.diagnostic(line)
  }
  const stage = await Stage.open({ home, scratch, client, say })
  await step(stage)
  await stage.close()
}

for (const passthrough of ['always', 'off']) {
  suite(`passthrough ${passthrough}`, () => {
    test('a tree, copied, evicted, read back by checksum', options, (t) =>
      play(t, passthrough, (stage) => treeStep(stage, { files: 300, megabytes: 12 })),
    )

    test('git: clone, fsck, gc, status', options, (t) =>
      play(t, passthrough, (stage) => gitStep(stage, { commits: 10 })),
    )

    test('sqlite: whole after kill -9 of the writer', options, (t) =>
      play(t, passthrough, (stage) => sqliteStep(stage, { rounds: 2, runMs: 500 })),
    )

    test('make: a C program', options, (t) =>
      play(t, passthrough, (stage) => {
        makeStep(stage, { modules: 6 })
      }),
    )

    test('tar, rsync, cp, find, du, rm', options, (t) => play(t, passthrough, toolsStep))
  })
}
