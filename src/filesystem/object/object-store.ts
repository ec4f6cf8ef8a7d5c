/**
 * Operations of a bucket or container that `ObjectFS` needs: whole objects by key. Errors are
 * `FsError`s: ENOENT if there is no such object, ESTALE if it is not the requested version.
 */
import type { CallOptions } from '../file-system.ts'

export interface ObjectInfo {
  size: number
  etag: string
  modifiedMs: number
  /** Names are lower case. */
  metadata: Record<string, string>
}

/** An object, or a prefix that ends with a slash and stands for all keys that begin with it. */
export type ListedKey = ListedObject | { prefix: string }

/** Some stores list the metadata as well. */
export type ListedObject = Omit<ObjectInfo, 'metadata'> & Partial<ObjectInfo> & { key: string }

export interface GetOptions extends CallOptions {
  start?: number | undefined
  /** Offset of the last byte, inclusive. */
  end?: number | undefined
  ifMatch?: string | undefined
}

export interface PutOptions extends CallOptions {
  metadata: Record<string, string>
  /** null: only if there is no such object. */
  ifMatch?: string | null | undefined
  size?: number | undefined
}

export interface ListOptions extends CallOptions {
  /** Maximum number of keys per page; default: that of the store. */
  pageKeys?: number | undefined
}

export interface CopyOptions extends CallOptions {
  /** Size of the object in bytes. */
  size: number
  /** Replaces the existing metadata. */
  metadata?: Record<string, string> | undefined
}

export interface ObjectStore {
  /** Undefined if there is no such object. */
  head(key: string, options: CallOptions): Promise<ObjectInfo | undefined>
  /**
   * An object precedes a prefix of the same name. With `flat`, lists all objects and no prefixes.
   */
  list(prefix: string, flat: boolean, options: ListOptions): AsyncIterable<ListedKey>
  get(key: string, options: GetOptions): AsyncIterable<Uint8Array>
  put(
    key: string,
    source: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<{ etag: string; size: number }>
  /** Copies within the store, at any size; headers that other tools have set are kept. */
  copy(from: string, to: string, options: CopyOptions): Promise<void>
  /** Does nothing if there is no such object. */
  remove(key: string, options: CallOptions): Promise<void>
}
