/**
 * Every export is used in another file, by the product or a test. Types are exempt (they name the
 * parts of a signature), and so are the entry points.
 */
import { basename } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { importsOf } from './imports.ts'
import { assertNone, codeFiles, parse, place, productFiles } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

const EVERYTHING = '*'

interface NamedNode {
  name: string
  node: ts.Node
}

/** Names that other files import from each file; EVERYTHING if a file is imported as a whole. */
function namesTaken(): Map<string, Set<string>> {
  const taken = new Map<string, Set<string>>()
  for (const { node, target } of codeFiles.flatMap(importsOf)) {
    if (target === undefined) continue
    const names = taken.get(target) ?? new Set<string>()
    taken.set(target, names)
    for (const name of namesIn(node)) names.add(name)
  }
  return taken
}

/** Modules of threads are named in strings: they are entry points too. */
function threadModules(): string[] {
  const call = /siblingModule\([^)]*['"]([^'"]+)['"],?\s*\)/g
  const names = productFiles.flatMap(({ text }) => [...text.matchAll(call)].map(([, it]) => it))
  return names.map((name) => `/${basename(name ?? '')}.ts`)
}

function namesIn(node: ts.Node): string[] {
  const bindings = ts.isImportDeclaration(node)
    ? node.importClause?.namedBindings
    : ts.isExportDeclaration(node)
      ? node.exportClause
      : undefined
  const names = ts.isImportDeclaration(node) && node.importClause?.name ? ['default'] : []
  if (bindings === undefined) return names.length > 0 ? names : [EVERYTHING]
  if (!ts.isNamedImports(bindings) && !ts.isNamedExports(bindings)) return [EVERYTHING]
  return [...names, ...bindings.elements.map((it) => (it.propertyName ?? it.name).text)]
}

/** Functions, classes and constants that a file exports, with their nodes. */
function valuesExported(file: SourceFile): NamedNode[] {
  return parse(file).statements.flatMap((statement): NamedNode[] => {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined
    if (!modifiers?.some((it) => it.kind === ts.SyntaxKind.ExportKeyword)) return []
    if (ts.isVariableStatement(statement)) {
      const { declarations } = statement.declarationList
      return declarations.map((node) => ({ name: node.name.getText(), node }))
    }
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      return [{ name: statement.name?.text ?? 'default', node: statement }]
    }
    return []
  })
}

test('every exported function, class and constant is used in another file', () => {
  const taken = namesTaken()
  const entries = ['src/index.ts', 'src/browser.ts', ...threadModules()]
  const unused = productFiles.flatMap((file) => {
    const names = taken.get(file.path)
    if (entries.some((it) => file.path.endsWith(it)) || names?.has(EVERYTHING)) return []
    return valuesExported(file).filter((it) => !names?.has(it.name))
  })
  assertNone(unused.map((it) => `${place(it.node)}: ${it.name} is used nowhere else`))
})
