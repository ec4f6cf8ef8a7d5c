/**
 * URL of a module in the same directory, to start a thread from: TypeScript when running from
 * sources, JavaScript when running from a build. It is computed because a build rewrites the
 * extensions of imports, but not those in other strings.
 */

/** `name`: without extension, in the directory of the module at `importMetaUrl`. */
export function siblingModule(importMetaUrl: string, name: string): URL {
  const extension = importMetaUrl.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`./${name}${extension}`, importMetaUrl)
}
