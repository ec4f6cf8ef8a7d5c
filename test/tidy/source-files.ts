/**
 * The source files of this repository, read once and parsed on demand, for all tidy tests. Rules
 * are plain functions from a file to complaints, so that a failed test lists all of them at once.
 */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'

export const ROOT = resolve(import.meta.dirname, '../..')

const CODE_FOLDERS = 'src,test,benchmarks,scripts,examples'
const TEXT_GLOBS = [
  `{${CODE_FOLDERS},bin,docs,k8s,systemd,.ci,.github}/**/*`,
  '*.{md,json,js,yml,yaml}',
  'Makefile',
  'Dockerfile',
  '.{gitignore,dockerignore,npmrc,prettierrc.json,prettierignore}',
]

export interface SourceFile {
  /** Path from the root of the repository. */
  path: string
  text: string
  lines: string[]
}

const parsed = new Map<string, ts.SourceFile>()

function load(globs: readonly string[]): SourceFile[] {
  const entries = globs.flatMap((glob) => globSync(glob, { cwd: ROOT, withFileTypes: true }))
  const files = entries.filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
  return [...new Set(paths)].sort().map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    return { path, text, lines: text.replace(/\n$/, '').split('\n') }
  })
}

/** Every text file of the repository, including the lock file. */
export const textFiles = load(TEXT_GLOBS)
/** Every TypeScript file. */
export const codeFiles = textFiles.filter((file) => file.path.endsWith('.ts'))
/** TypeScript that is published. */
export const productFiles = codeFiles.filter(
  (file) => file.path.startsWith('src/') && !isTest(file.path),
)

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

export function parse(file: SourceFile): ts.SourceFile {
  let tree = parsed.get(file.path)
  if (tree === undefined) {
    tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
    parsed.set(file.path, tree)
  }
  return tree
}

/** Every node of the tree, depth first. */
export function* walk(node: ts.Node): Generator<ts.Node> {
  yield node
  for (const child of node.getChildren()) yield* walk(child)
}

/** `path:line`, the format that editors open. */
export function place(node: ts.Node): string {
  const tree = node.getSourceFile()
  const { line } = tree.getLineAndCharacterOfPosition(node.getStart())
  return `${tree.fileName}:${line + 1}`
}

/** Throws an error that lists all complaints, one per line. */
export function assertNone(complaints: Iterable<string>): void {
  const all = [...complaints]
  if (all.length > 0) throw new Error(`\n  ${all.join('\n  ')}\n`)
}
