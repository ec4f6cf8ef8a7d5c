/**
 * Address of a module in the same folder, to start a thread from: TypeScript where we run from
 * sources, JavaScript where we run from a build. It is computed, because a build rewrites the
 * extensions of imports but not those in other strings.
 */

/** `name` without extension, next to the module at `importMetaUrl`. */
export function siblingModule(importMetaUrl: string, name: string): URL {
  const extension = importMetaUrl.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`./${name}${extension}`, importMetaUrl)
}
