/** Rules for the text of files: every product file has a header, and no leftovers remain. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertNone, productFiles, textFiles } from './source-files.ts'

const HEADER_LINES_MIN = 3
const HEADER_LINES_MAX = 24
/** Files up to this size may have a header of one line. */
const SMALL_FILE_LINES = 40

/** Patterns are split, so that they do not match in this file. */
const oneOf = (...parts: string[][]): RegExp => {
  const words = parts.map((part) => part.join(''))
  return new RegExp(words.join('|'))
}

const LEFT_BEHIND: [RegExp, string][] = [
  [oneOf(['\\bTO', 'DO\\b'], ['\\bFIX', 'ME\\b'], ['\\bXX', 'X\\b']), 'do it, or open an issue'],
  [oneOf(['\\.on', 'ly\\('], ['\\.sk', 'ip\\('], ['\\.to', 'do\\(']), 'run every test'],
  [oneOf(['(^|[^\\w.-])/wo', 'rk/'], ['/fa', 'rm/'], ['/ro', 'ot/']), 'a path of one machine'],
  [oneOf(['registry\\.np', 'mjs'], ['npmjs\\.or', 'g'], ['yarnpk', 'g\\.com']), 'a registry host'],
  [oneOf(['"reso', 'lved":']), 'a lock file that names a host'],
  [oneOf(['<<<<', '<<< '], ['>>>>', '>>> ']), 'a merge left half done'],
]

for (const [pattern, why] of LEFT_BEHIND) {
  test(`nothing is left behind: ${why}`, () => {
    assertNone(
      textFiles.flatMap(({ path, lines }) =>
        lines.flatMap((line, index) =>
          pattern.test(line) ? [`${path}:${index + 1}: ${why}`] : [],
        ),
      ),
    )
  })
}

test('every file of the product opens with a comment on what it is and why', () => {
  assertNone(
    productFiles.flatMap((file) => {
      const length = headerLines(file.lines)
      const least = file.lines.length <= SMALL_FILE_LINES ? 1 : HEADER_LINES_MIN
      if (length >= least && length <= HEADER_LINES_MAX) return []
      return [`${file.path}: its header has ${length} lines`]
    }),
  )
})

function headerLines(lines: readonly string[]): number {
  const start = lines[0]?.startsWith('#!') ? 1 : 0
  if (lines[start]?.startsWith('/*')) {
    return lines.findIndex((line, index) => index >= start && line.includes('*/')) + 1 - start
  }
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith('//'))
  return end - start
}

test('dependencies are named by exact version', () => {
  const manifest = textFiles.find((file) => file.path === 'package.json')
  assert.ok(manifest)
  const { dependencies, devDependencies } = JSON.parse(manifest.text) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  const all = Object.entries({ ...dependencies, ...devDependencies })
  assertNone(all.filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range)).map((it) => it.join(' ')))
})
