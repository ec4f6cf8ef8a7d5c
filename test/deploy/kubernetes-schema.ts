/**
 * Manifests against the schemas of Kubernetes, offline. The package's validators know the type of
 * every field and let fields pass that they do not know; so the same objects, written down as
 * literals of its types, go through the TypeScript compiler, which refuses those.
 */
import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../tidy/source-files.ts'
import type { Manifest } from './manifests.ts'

interface Model {
  validate(): void
}
type ModelClass = new (data: object) => Model

/** What is wrong with the manifests; none: nothing. */
export async function complaintsAbout(manifests: readonly Manifest[]): Promise<string[]> {
  const wrong: string[] = []
  for (const manifest of manifests) {
    try {
      const module = (await import(moduleOf(manifest))) as Record<string, ModelClass | undefined>
      new module[manifest.kind]!(manifest).validate()
    } catch (error) {
      wrong.push(`${manifest.kind} ${manifest.metadata.name}: ${(error as Error).message}`)
    }
  }
  return [...wrong, ...excessFields(manifests)]
}

function moduleOf({ apiVersion, kind }: Manifest): string {
  return `kubernetes-models/${apiVersion}/${kind}`
}

function excessFields(manifests: readonly Manifest[]): string[] {
  const lines = manifests.map((manifest, at) => {
    const type = `import('${moduleOf(manifest)}').I${manifest.kind}`
    return `export const manifest${at}: ${type} = ${JSON.stringify(manifest)}`
  })
  const path = join(ROOT, 'test/deploy/literals.ts')
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const real = { ...host }
  host.fileExists = (name) => name === path || real.fileExists(name)
  host.getSourceFile = (name, ...rest) =>
    name === path
      ? ts.createSourceFile(path, lines.join('\n'), ts.ScriptTarget.ES2022, true)
      : real.getSourceFile(name, ...rest)
  const program = ts.createProgram([path], options, host)
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start, file }) => {
    const at = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line : 0
    const { kind, metadata } = manifests[at]!
    return `${kind} ${metadata.name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}
