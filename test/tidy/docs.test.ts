/** Rules for the documents: everything that they name exists, and every promise names a test. */
import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  brokenLinks,
  commandsOf,
  missingPaths,
  missingTargets,
  pages,
  unknownMessages,
  wrongCommands,
  type Page,
} from './documents.ts'
import { ROOT, assertNone } from './source-files.ts'

const SEMANTICS = pageOf('docs/SEMANTICS.md')
const UNTESTED_SECTIONS = ['Differences from a local file system', 'Errors']

function pageOf(path: string): Page {
  const page = pages.find((it) => it.path === path)
  assert.ok(page, `there is no ${path}`)
  return page
}

test('paths in documents exist', () => {
  assertNone(pages.flatMap(missingPaths))
})

test('links in documents lead somewhere', () => {
  assertNone(pages.flatMap(brokenLinks))
})

test('make targets and npm scripts in documents exist', () => {
  assertNone(pages.flatMap(missingTargets))
})

test('commands in documents have the verbs and flags of --help', async () => {
  assert.ok(pages.flatMap(commandsOf).length > 50, 'the commands of the documents are found')
  assertNone((await Promise.all(pages.map(wrongCommands))).flat())
})

test('every promise in SEMANTICS names a test that exists', () => {
  const complaints = promises(SEMANTICS.text).flatMap(({ text, tests }) => {
    const wrong = tests.filter((path) => !path.endsWith('/') && !existsSync(join(ROOT, path)))
    if (tests.length > 0 && wrong.length === 0) return []
    return [`${text.slice(0, 60)}...: ${wrong.join(', ') || 'no test'}`]
  })
  assertNone(complaints)
})

test('messages in OPERATIONS are those of the programs', () => {
  assertNone(unknownMessages(troubleshooting(pageOf('docs/OPERATIONS.md'))))
})

function troubleshooting({ path, text }: Page): Page {
  const [, from = ''] = text.split('\n## Troubleshooting\n')
  return { path, text: from.split('\n## ')[0] ?? '' }
}

test('ARCHITECTURE lists every folder of src/', () => {
  const { text } = pageOf('docs/ARCHITECTURE.md')
  const entries = globSync('**/*', { cwd: join(ROOT, 'src'), withFileTypes: true })
  const folders = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(ROOT, 'src/').length))
  assertNone(folders.filter((folder) => !text.includes(`\n${folder}/ `)))
})

test('a wrong document is found', async () => {
  const page: Page = {
    path: 'docs/WRONG.md',
    text: [
      'See `src/no-such-file.ts`, [a page](NOWHERE.md) and [a part](SEMANTICS.md#no-such-part).',
      '```sh',
      'make no-such-target && npm run no-such-script',
      'bin/cachefs no-such-verb /mnt',
      'cachefs frobnicate /mnt',
      'cachefs wait --no-such-flag /mnt',
      'bin/client -mount /mnt \\',
      '  -no-such-flag 1',
      '```',
    ].join('\n'),
  }
  assert.equal(missingPaths(page).length, 1)
  assert.equal(brokenLinks(page).length, 2)
  assert.equal(missingTargets(page).length, 2)
  const quoting = { path: page.path, text: '`the bucket ... was eaten by a moose`' }
  assert.equal(unknownMessages(quoting).length, 1)
  assert.deepEqual(await wrongCommands(page), [
    'docs/WRONG.md: no command: cachefs frobnicate',
    'docs/WRONG.md: cachefs wait has no --no-such-flag',
    'docs/WRONG.md: client has no --no-such-flag',
  ])
  assert.deepEqual(
    promises('## Part\n\n- It holds.\n- It holds too.\n  Test: `test/none.test.ts`\n'),
    [
      { text: 'It holds.', tests: [] },
      { text: 'It holds too.', tests: ['test/none.test.ts'] },
    ],
  )
})

interface Promised {
  text: string
  tests: string[]
}

/** List items with the tests that they name; of the details, only items that name tests. */
function promises(text: string): Promised[] {
  return text.split(/^## /m).flatMap((section) => {
    const title = section.slice(0, section.indexOf('\n'))
    const [promised = '', details = ''] = section.split(/^(?:Details and limits|Limits):$/m)
    const all = itemsOf(promised)
    const free = UNTESTED_SECTIONS.includes(title) ? all : itemsOf(details)
    const bound = UNTESTED_SECTIONS.includes(title) ? [] : all
    return [...bound, ...free.filter(({ tests }) => tests.length > 0)]
  })
}

function itemsOf(text: string): Promised[] {
  const items = [...text.matchAll(/^- ((?:.+\n?)(?:  .+\n?)*)/gm)]
  return items.map(([, item = '']) => {
    const [said = '', named = ''] = item.split(/^\s*Tests?: /m)
    const tests = [...named.matchAll(/`((?:test|src)\/[^`]+)`/g)].map(([, path = '']) => path)
    return { text: said.replaceAll(/\s+/g, ' ').trim(), tests }
  })
}
