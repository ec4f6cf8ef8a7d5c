/**
 * A file system whose files are replaced whole: what an open file is given is kept until it is
 * closed, within bounds. A file that is written in one call needs no open file, and so has none.
 */
import { ownPieces, piecesOf } from './file-bytes.ts'
import type { Content, TextEncoding } from './file-bytes.ts'
import type { ReplaceOptions, WriteFileOptions } from './file-system.ts'
import { PortableFileSystem, asOptions } from './portable-file-system.ts'
import type { Stats } from './stats.ts'

export abstract class WholeFileSystem extends PortableFileSystem {
  override async writeFile(
    path: string,
    data: Content,
    options?: TextEncoding | WriteFileOptions,
  ): Promise<void> {
    const how = asOptions(options)
    const { flag = 'w', encoding, mode, signal } = how
    if (flag !== 'w') {
      await super.writeFile(path, data, how)
      return
    }
    await this.replace(path, piecesOf(data, encoding ?? undefined), { mode, signal })
  }

  /** A request collects pieces before it sends them, and its source may reuse one buffer. */
  override async replace(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions = {},
  ): Promise<Stats> {
    return await super.replace(path, ownPieces(source), options)
  }
}
