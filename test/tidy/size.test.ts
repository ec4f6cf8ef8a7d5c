/** Bounds on the size of files, functions and lines. */
import { test } from 'node:test'
import ts from 'typescript'
import { assertNone, codeFiles, parse, place, textFiles, walk } from './source-files.ts'

/**
 * Alarms, not goals: a long file with one purpose is permitted, and nothing is split just to get
 * below.
 */
const FILE_LINES = 600
const FUNCTION_LINES = 70
const COLUMNS = 100

/** Functions that group tests are exempt. */
const GROUPS = new Set(['describe', 'suite'])

test(`files have at most ${FILE_LINES} lines`, () => {
  const long = codeFiles.filter((file) => file.lines.length > FILE_LINES)
  assertNone(long.map((file) => `${file.path}: ${file.lines.length} lines`))
})

test(`functions have at most ${FUNCTION_LINES} lines`, () => {
  const long = codeFiles.flatMap((file) =>
    [...walk(parse(file))].filter(
      (node) => ts.isFunctionLike(node) && !isGroup(node) && linesOf(node) > FUNCTION_LINES,
    ),
  )
  assertNone(long.map((node) => `${place(node)}: ${linesOf(node)} lines`))
})

function isGroup({ parent }: ts.Node): boolean {
  return ts.isCallExpression(parent) && GROUPS.has(parent.expression.getText())
}

function linesOf(node: ts.Node): number {
  const tree = node.getSourceFile()
  const first = tree.getLineAndCharacterOfPosition(node.getStart()).line
  return tree.getLineAndCharacterOfPosition(node.end).line - first + 1
}

test(`lines have at most ${COLUMNS} columns`, () => {
  // Without formats that viewers wrap; a link cannot be broken.
  const files = textFiles.filter((file) => !/\.(md|json|svg|html|css)$/.test(file.path))
  assertNone(
    files.flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        Array.from(line).length > COLUMNS && !line.includes('://') ? [`${path}:${index + 1}`] : [],
      ),
    ),
  )
})
