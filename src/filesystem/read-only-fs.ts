/**
 * A read-only view of a file system: each change is EROFS, without a call to the inner file system.
 */
import { failure } from './failure.ts'
import type { CallOptions } from './file-system.ts'
import type { OpenFile } from './open-file.ts'
import type { OpenFlags } from './open-flags.ts'
import type { Stats } from './stats.ts'
import { WrappedFS } from './wrapped-fs.ts'

export class ReadOnlyFS extends WrappedFS {
  protected override async openFile(
    path: string,
    flags: OpenFlags,
    mode: number,
    options: CallOptions,
  ): Promise<OpenFile> {
    if (flags.write || flags.create) throw failure('EROFS', 'open', path)
    return await super.openFile(path, flags, mode, options)
  }

  protected override async makeDirectory(path: string): Promise<void> {
    throw failure('EROFS', 'mkdir', path)
  }

  protected override async removeDirectory(path: string): Promise<void> {
    throw failure('EROFS', 'rmdir', path)
  }

  protected override async removeFile(path: string): Promise<void> {
    throw failure('EROFS', 'unlink', path)
  }

  protected override async move(from: string, to: string): Promise<void> {
    throw failure('EROFS', 'rename', from, { dest: to })
  }

  protected override async makeLink(_target: string, path: string): Promise<void> {
    throw failure('EROFS', 'symlink', path)
  }

  protected override async change(path: string): Promise<void> {
    throw failure('EROFS', 'chmod', path)
  }

  protected override async replaceFile(path: string): Promise<Stats> {
    throw failure('EROFS', 'open', path)
  }
}
