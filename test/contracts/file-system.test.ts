/** The file system contract, run on every implementation. */
import { describe } from 'node:test'
import { FILE_SYSTEMS } from '../fixtures/file-system-fixture.ts'
import { contentTests } from './file-system/content.ts'
import { handleTests } from './file-system/handles.ts'
import { linkTests } from './file-system/links.ts'
import { nameTests } from './file-system/names.ts'

for (const [name, open] of Object.entries(FILE_SYSTEMS)) {
  describe(`the file system contract: ${name}`, () => {
    nameTests.runOn(open)
    contentTests.runOn(open)
    handleTests.runOn(open)
    linkTests.runOn(open)
  })
}
