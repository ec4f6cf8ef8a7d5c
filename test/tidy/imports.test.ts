/**
 * Imports run downwards only: the list of folders follows the data path, and a layer depends only
 * on the layers below it, never on those above or beside it. Tests may import any file.
 */
import { test } from 'node:test'
import { importsOf } from './imports.ts'
import { assertNone, codeFiles, place, productFiles } from './source-files.ts'

/** From the top down; folders in one line are independent of each other. */
const LAYERS = [
  ['index.ts', 'browser.ts'],
  ['cli'],
  ['limits.ts'],
  ['doctor'],
  ['node'],
  ['daemon'],
  ['machine'],
  ['options'],
  ['http', 'coordinator'],
  ['fuse'],
  ['volume'],
  ['cache', 'metadata'],
  ['cachefs'],
  ['filesystem'],
  ['tiers'],
  ['base'],
]

const rankOf = new Map(LAYERS.flatMap((names, rank) => names.map((name) => [name, rank] as const)))

function layerOf(path: string): string {
  return path.split('/')[1] ?? path
}

test('every folder of src has its place in the order', () => {
  const layers = new Set(productFiles.map((file) => layerOf(file.path)))
  const unknown = [...layers].filter((layer) => !rankOf.has(layer))
  assertNone(unknown.map((layer) => `src/${layer}: give it a place in LAYERS, or move it`))
})

test('imports run downwards only', () => {
  assertNone(productFiles.flatMap((file) => importsOf(file).flatMap((it) => upward(file.path, it))))
})

function upward(from: string, it: ReturnType<typeof importsOf>[number]): string[] {
  if (it.target === undefined) return []
  if (!it.target.startsWith('src/')) return [`${place(it.node)}: ${it.specifier} is outside src`]
  const [above, below] = [layerOf(from), layerOf(it.target)]
  const goesDown = (rankOf.get(below) ?? -1) > (rankOf.get(above) ?? -1)
  if (above === below || goesDown) return []
  return [`${place(it.node)}: ${above} may not import ${below} (${it.specifier})`]
}

test('relative imports name the file: they end in .ts', () => {
  const relative = codeFiles.flatMap(importsOf).filter((it) => it.target !== undefined)
  const wrong = relative.filter((it) => !/\.(ts|json)$/.test(it.specifier))
  assertNone(wrong.map((it) => `${place(it.node)}: ${it.specifier}`))
})

test('no file imports the command line or the tests', () => {
  const wrong = productFiles
    .filter((file) => !file.path.startsWith('src/cli/'))
    .flatMap(importsOf)
    .filter((it) => /^(src\/cli|test|benchmarks)\//.test(it.target ?? ''))
  assertNone(wrong.map((it) => `${place(it.node)}: ${it.specifier}`))
})

test('a file beside this one is named so that dist/ has it too', () => {
  // The compiler rewrites extensions in imports but not in URLs (of workers, for instance).
  const url = /(new URL|import\.meta\.resolve)\(\s*['"`][^'"`]*\.ts['"`]/
  const wrong = productFiles.filter((file) => url.test(file.text))
  const instead = "siblingModule(import.meta.url, 'worker') of base/sibling-module.ts"
  assertNone(wrong.map((file) => `${file.path}: use ${instead}`))
})
