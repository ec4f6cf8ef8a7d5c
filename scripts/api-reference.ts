/**
 * Generates docs/API.md, the reference of the public interface, from the docstrings of the exports
 * of `src/index.ts` (`npm run docs`). A test checks that it is current.
 */
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '..')
const ENTRY = join(ROOT, 'src/index.ts')
export const API_FILE = join(ROOT, 'docs/API.md')

const INTRODUCTION = `# API reference

Everything that \`import ... from 'cachefs'\` gives, from the docstrings in the sources: written by
\`npm run docs\`, not by hand. [LIBRARY.md](LIBRARY.md) is where to begin.`

const GROUPS: [title: string, has: (node: ts.Node) => boolean][] = [
  ['Classes', ts.isClassDeclaration],
  ['Functions', ts.isFunctionDeclaration],
  ['Interfaces', ts.isInterfaceDeclaration],
  ['Types', ts.isTypeAliasDeclaration],
]

export async function apiReference(): Promise<string> {
  const { declarations, checker } = publicInterface()
  const parts = [INTRODUCTION]
  for (const [title, has] of GROUPS) {
    const found = declarations.filter(has).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    if (found.length > 0) parts.push(`## ${title}`, ...found.map((node) => section(node, checker)))
  }
  const config = await resolveConfig(API_FILE)
  return await format(`${parts.join('\n\n')}\n`, { ...config, parser: 'markdown' })
}

interface PublicInterface {
  declarations: ts.Declaration[]
  checker: ts.TypeChecker
}

function publicInterface(): PublicInterface {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    noLib: true,
    types: [],
  }
  const program = ts.createProgram([ENTRY], options)
  const checker = program.getTypeChecker()
  const entry = program.getSourceFile(ENTRY)
  const module = entry && checker.getSymbolAtLocation(entry)
  if (module === undefined) throw new Error('src/index.ts exports nothing')
  const declarations = checker.getExportsOfModule(module).flatMap((symbol) => {
    const declaration = declarationOf(symbol, checker)
    return declaration === undefined ? [] : [declaration]
  })
  return { declarations, checker }
}

function section(node: ts.Declaration, checker: ts.TypeChecker): string {
  const parts = [`### ${nameOf(node)}`, docOf(node), code(headOf(node))]
  // Another name for an interface that is not exported itself has the members of that.
  const target = otherName(node, checker) ?? node
  if (ts.isClassDeclaration(target) || ts.isInterfaceDeclaration(target)) {
    const members = [...target.members, ...hiddenBase(target, checker)]
    parts.push(members.filter(isPublic).map(item).join('\n'))
  }
  return parts.filter((part) => part !== '').join('\n\n')
}

function declarationOf(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Declaration | undefined {
  const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0
  return (isAlias ? checker.getAliasedSymbol(symbol) : symbol).declarations?.[0]
}

function otherName(node: ts.Declaration, checker: ts.TypeChecker): ts.Declaration | undefined {
  if (!ts.isTypeAliasDeclaration(node) || !ts.isTypeReferenceNode(node.type)) return undefined
  const symbol = checker.getSymbolAtLocation(node.type.typeName)
  return symbol && declarationOf(symbol, checker)
}

/** Members that a class inherits from a class that is private to its file. */
function hiddenBase(
  node: ts.ClassDeclaration | ts.InterfaceDeclaration,
  checker: ts.TypeChecker,
): readonly ts.ClassElement[] {
  const symbol = (node.heritageClauses ?? [])
    .flatMap(({ types }) => types.map(({ expression }) => checker.getSymbolAtLocation(expression)))
    .find((base) => base !== undefined)
  const base = symbol && declarationOf(symbol, checker)
  if (base === undefined || !ts.isClassDeclaration(base)) return []
  const isExported = base.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  if (isExported === true) return []
  // Abstract members of that class are implemented here.
  return base.members.filter(
    (member) => ts.isMethodDeclaration(member) && member.body !== undefined,
  )
}

function nameOf(node: ts.Declaration): string {
  const name = ts.getNameOfDeclaration(node)
  return name?.getText() ?? 'constructor'
}

/** The declaration before the body: `class CacheFS extends PortableFileSystem`. */
function headOf(node: ts.Declaration): string {
  if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
    const keyword = ts.isClassDeclaration(node) ? 'class' : 'interface'
    const clauses = (node.heritageClauses ?? []).map((clause) => clause.getText())
    const types = (node.typeParameters ?? []).map((type) => type.getText())
    const generic = types.length === 0 ? '' : `<${types.join(', ')}>`
    return [`${keyword} ${nameOf(node)}${generic}`, ...clauses].join(' ')
  }
  return signatureOf(node).replace(/^export (declare )?/, '')
}

function item(member: ts.ClassElement | ts.TypeElement): string {
  const doc = docOf(member)
  const text = `- \`${oneLine(signatureOf(member))}\``
  return doc === '' ? text : `${text}\n\n${indented(doc)}\n`
}

function isPublic(member: ts.ClassElement | ts.TypeElement): boolean {
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return false
  if (ts.isClassStaticBlockDeclaration(member)) return false
  const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : []
  const kinds = modifiers.map(({ kind }) => kind)
  if (kinds.includes(ts.SyntaxKind.PrivateKeyword)) return false
  // Protected members are public to those who implement a subclass.
  const isProtected = kinds.includes(ts.SyntaxKind.ProtectedKeyword)
  if (isProtected && !kinds.includes(ts.SyntaxKind.AbstractKeyword)) return false
  const { parent } = member
  const isOverload = ts.isMethodDeclaration(member) && member.body !== undefined
  if (!isOverload || !ts.isClassDeclaration(parent)) return true
  // The implementation of an overloaded method is not one of its signatures.
  return !parent.members.some((other) => {
    const isSame = ts.isMethodDeclaration(other) && other.name.getText() === member.name.getText()
    return isSame && other.body === undefined
  })
}

/** The declaration without body and value. */
function signatureOf(node: ts.Node): string {
  const { body, initializer } = node as { body?: ts.Node; initializer?: ts.Node }
  const source = node.getSourceFile().text
  const hidden = body ?? (ts.isPropertyDeclaration(node) ? initializer : undefined)
  const text = source.slice(node.getStart(), hidden?.getFullStart() ?? node.end)
  return text.replace(/\s*=\s*$/, '').trim()
}

/** The docstring; for the main export of a file, the file's header if it has none. */
function docOf(node: ts.Node): string {
  const [own] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).slice(-1)
  if (own !== undefined) return textOf(own.getText())
  const file = node.getSourceFile()
  const isTop = node.parent === file && ts.isClassDeclaration(node)
  const stem = basename(file.fileName, '.ts').replaceAll('-', '')
  if (!isTop || stem !== nameOf(node).toLowerCase()) return ''
  const [header] = ts.getLeadingCommentRanges(file.text, 0) ?? []
  return header === undefined ? '' : textOf(file.text.slice(header.pos, header.end))
}

function textOf(comment: string): string {
  const lines = comment
    .replace(/^\/\*\*?/, '')
    .replace(/\*\/$/, '')
    .split('\n')
  return lines
    .map((line, at) => (at === 0 ? line : line.replace(/^\s*\* ?/, '')).trimEnd())
    .join('\n')
    .trim()
}

function oneLine(text: string): string {
  const flat = text.replace(/\/\*\*.*?\*\//gs, '').replace(/\s+/g, ' ')
  return flat.replace(/\( /g, '(').replace(/,? \)/g, ')')
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

function code(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\``
}

if (import.meta.main) writeFileSync(API_FILE, await apiReference())
