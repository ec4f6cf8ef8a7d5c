/**
 * Tests of the contract, written once and run on every file system: each on a new, empty one. A
 * test that needs a feature that the file system does not have says so there.
 */
import { test } from 'node:test'
import type { Features, FileSystem } from '../../../src/filesystem/file-system.ts'
import type { FileSystemFixture } from '../../fixtures/file-system-fixture.ts'

type Body = (files: FileSystem) => Promise<void>

interface ContractTest {
  name: string
  body: Body
  needs: keyof Features | undefined
}

export class ContractTests {
  readonly #tests: ContractTest[] = []

  add(name: string, body: Body, needs?: keyof Features): void {
    this.#tests.push({ name, body, needs })
  }

  runOn(open: () => Promise<FileSystemFixture>): void {
    for (const { name, body, needs } of this.#tests) {
      test(name, async (t) => {
        await using fixture = await open()
        if (needs !== undefined && !fixture.files.features[needs]) {
          t.diagnostic(`nothing was tested: this file system does not have: ${needs}`)
          return
        }
        await body(fixture.files)
      })
    }
  }
}
