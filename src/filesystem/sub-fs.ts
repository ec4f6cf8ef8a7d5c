/**
 * A subdirectory of a file system as a file system. Links are resolved as if the subdirectory were
 * the root, so none leads out of it.
 */
import { checkOption, name, required } from '../base/options.ts'
import { childOf, namesOf, normalize, parentOf, nameOf } from './file-path.ts'
import type { CallOptions, FileSystem } from './file-system.ts'
import { realPath, realPlace } from './real-path.ts'
import { WrappedFS } from './wrapped-fs.ts'

export class SubFS extends WrappedFS {
  readonly #links: Pick<FileSystem, 'lstat' | 'readlink' | 'features'>
  readonly #directory: string

  constructor(inner: FileSystem, directory: string) {
    super(inner)
    checkOption('SubFS', 'directory', required(name('a path in it, such as /data')), directory)
    this.#directory = normalize(directory)
    this.#links = {
      features: inner.features,
      lstat: (path, options) => inner.lstat(this.#below(path), options),
      readlink: (path, options) =>
        inner.readlink(this.#below(path), typeof options === 'object' ? options : {}),
    }
  }

  protected override async place(
    path: string,
    follow: boolean,
    options: CallOptions,
  ): Promise<string> {
    if (path === '/' || !this.#links.features.symlinks) return this.#below(path)
    if (follow) return this.#below(await realPlace(this.#links, path, options))
    const parent = await realPath(this.#links, parentOf(path), options)
    return this.#below(childOf(parent, nameOf(path)))
  }

  #below(path: string): string {
    return namesOf(path).reduce(childOf, this.#directory)
  }
}
