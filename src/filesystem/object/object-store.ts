/**
 * What a bucket or a container can do, as `ObjectFS` needs it: whole objects, by key. Errors are
 * `FsError`s: ENOENT where there is no such object, ESTALE where it is not the version asked for.
 */
import type { CallOptions } from '../file-system.ts'

export interface ObjectInfo {
  size: number
  etag: string
  modifiedMs: number
  /** By lower-case name. */
  metadata: Record<string, string>
}

/** An object, or a prefix that ends in a slash and stands for all that begin with it. */
export type ListedKey = ListedObject | { prefix: string }

/** Some stores tell the metadata as well. */
export type ListedObject = Omit<ObjectInfo, 'metadata'> & Partial<ObjectInfo> & { key: string }

export interface GetOptions extends CallOptions {
  start?: number | undefined
  /** Last byte, included. */
  end?: number | undefined
  ifMatch?: string | undefined
}

export interface PutOptions extends CallOptions {
  metadata: Record<string, string>
  /** null: only where there is none. */
  ifMatch?: string | null | undefined
  size?: number | undefined
}

export interface ListOptions extends CallOptions {
  /** All that is wanted; a page of the store's by default. */
  pageKeys?: number | undefined
}

export interface CopyOptions extends CallOptions {
  /** Its bytes. */
  size: number
  /** Instead of what it has. */
  metadata?: Record<string, string> | undefined
}

export interface ObjectStore {
  /** Undefined where there is no such object. */
  head(key: string, options: CallOptions): Promise<ObjectInfo | undefined>
  /** An object comes before the prefix that has its name; with `flat` every object, no prefix. */
  list(prefix: string, flat: boolean, options: ListOptions): AsyncIterable<ListedKey>
  get(key: string, options: GetOptions): AsyncIterable<Uint8Array>
  put(
    key: string,
    source: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<{ etag: string; size: number }>
  /** Within the store, of any size; what other tools have said of it stays. */
  copy(from: string, to: string, options: CopyOptions): Promise<void>
  /** Nothing happens where there is none. */
  remove(key: string, options: CallOptions): Promise<void>
}
