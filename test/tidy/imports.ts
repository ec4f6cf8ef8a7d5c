/** The import and re-export statements of a file, and the targets of the relative ones. */
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { parse, walk } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

export interface Import {
  /** The text between the quotes. */
  specifier: string
  /** Path from the root of the repository, for a relative import. */
  target: string | undefined
  node: ts.Node
}

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = []
  for (const node of walk(parse(file))) {
    const literal = specifierOf(node)
    if (literal === undefined || !ts.isStringLiteral(literal)) continue
    const specifier = literal.text
    const target = specifier.startsWith('.') ? join(dirname(file.path), specifier) : undefined
    found.push({ specifier, target, node })
  }
  return found
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0]
  }
  return undefined
}
