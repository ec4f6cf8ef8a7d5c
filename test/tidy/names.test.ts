/** Rules for names of files, and of the types in them. */
import { basename } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { assertNone, codeFiles, parse, place, walk } from './source-files.ts'

const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/
/** Names that do not describe the contents, so anything could be put there. */
const VAGUE = /^(utils?|helpers?|common|misc|shared|types|constants)\.ts$/
/** A type is named for its meaning, not for how it is declared. */
const DECORATED = /^(I[A-Z][a-z]|Base[A-Z]|Abstract[A-Z])/

test('files are named in kebab-case, for the one thing they hold', () => {
  const names = codeFiles.map((file) => ({ ...file, name: basename(file.path) }))
  const wrong = names.filter(({ name }) => !KEBAB_CASE.test(name) || VAGUE.test(name))
  assertNone(wrong.map((file) => file.path))
})

test('types carry no prefix', () => {
  const declarations = codeFiles
    .flatMap((file) => [...walk(parse(file))])
    .filter(
      (node) =>
        ts.isInterfaceDeclaration(node) ||
        ts.isClassDeclaration(node) ||
        ts.isTypeAliasDeclaration(node),
    )
  const wrong = declarations.filter((node) => DECORATED.test(node.name?.text ?? ''))
  assertNone(wrong.map((node) => `${place(node)}: ${node.name?.text ?? ''}`))
})
