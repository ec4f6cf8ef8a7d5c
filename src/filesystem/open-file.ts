/**
 * An open file as implementations provide it: bytes at offsets. Current position and encodings are
 * added by `FileHandle`. A read returns fewer bytes than requested only at the end of the file.
 */
import type { AttributeChanges, CallOptions } from './file-system.ts'
import type { Stats } from './stats.ts'

export interface OpenFile {
  read(target: Uint8Array, position: number, options?: CallOptions): Promise<number>
  /** Writes all of `source` at `position`, or at the end of the file. */
  write(source: Uint8Array, position: number | 'end', options?: CallOptions): Promise<void>
  stat(options?: CallOptions): Promise<Stats>
  truncate(sizeBytes: number, options?: CallOptions): Promise<void>
  change(changes: AttributeChanges, options?: CallOptions): Promise<void>
  sync(options?: CallOptions): Promise<void>
  close(): Promise<void>
}
