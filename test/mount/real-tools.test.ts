/**
 * A small version of scripts/acceptance/run.sh, with a directory as cloud: real programs on a real
 * mount, compared with the local file system, with passthrough for every eligible file and without
 * passthrough.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test, type TestContext } from 'node:test'
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
  timeout: 300_000,
  skip: missing.length > 0 ? `not installed: ${missing.join(', ')}` : false,
}

for (const passthrough of ['always', 'off']) {
  suite(`passthrough ${passthrough}`, options, () => {
    const scratch = mkdtempSync(join(tmpdir(), 'cachefs-local-'))
    let home: ClientHome
    let stage: Stage
    let context: TestContext
    before(async () => {
      home = new ClientHome()
      const client = { flags: ['-chunk-size', '1', '-passthrough', passthrough] }
      const say = (line: string): void => {
        context.diagnostic(line)
      }
      stage = await Stage.open({ home, scratch, client, say })
    })
    beforeEach((t) => {
      context = t as TestContext
    })
    after(async () => {
      await stage.close()
      home[Symbol.dispose]()
      rmSync(scratch, { recursive: true, force: true })
    })

    test('a tree, copied, evicted, read back by checksum', () =>
      treeStep(stage, { files: 300, megabytes: 12 }))

    test('git: clone, fsck, gc, status', () => gitStep(stage, { commits: 10 }))

    test('sqlite: whole after kill -9 of the writer', () =>
      sqliteStep(stage, { rounds: 2, runMs: 500 }))

    test('make: a C program', () => {
      makeStep(stage, { modules: 6 })
    })

    test('tar, rsync, cp, find, du, rm', () => toolsStep(stage))
  })
}
