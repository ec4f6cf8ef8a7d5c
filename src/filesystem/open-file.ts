/**
 * An open file as an implementation gives it: bytes at positions, nothing about a current position
 * or encodings; `FileHandle` adds what callers know from Node. A read returns fewer bytes than
 * asked only at the end of the file.
 */
import type { AttributeChanges, CallOptions } from './file-system.ts'
import type { Stats } from './stats.ts'

export interface OpenFile {
  read(target: Uint8Array, position: number, options?: CallOptions): Promise<number>
  /** All of `source`, at `position` or behind the last byte. */
  write(source: Uint8Array, position: number | 'end', options?: CallOptions): Promise<void>
  stat(options?: CallOptions): Promise<Stats>
  truncate(sizeBytes: number, options?: CallOptions): Promise<void>
  change(changes: AttributeChanges, options?: CallOptions): Promise<void>
  sync(options?: CallOptions): Promise<void>
  close(): Promise<void>
}
