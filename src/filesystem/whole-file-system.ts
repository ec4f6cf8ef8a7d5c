/**
 * A file system whose files are replaced as a whole: writes to an open file are kept until it is
 * closed, within limits. A file that is written in one call is streamed without an open file.
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

  /** A request may collect pieces before it sends them, while its source may reuse one buffer. */
  override async replace(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ReplaceOptions = {},
  ): Promise<Stats> {
    return await super.replace(path, ownPieces(source), options)
  }
}
