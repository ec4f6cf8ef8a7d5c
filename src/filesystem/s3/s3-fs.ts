/**
 * An existing bucket, or what lies in it under a prefix, as a file system:
 *
 *     const files = new S3FS({ bucket: 'data', region: 'eu-central-1', prefix: 'reports' })
 */
import type { S3TierOptions } from '../../tiers/cloud/s3/s3-tier.ts'
import { ObjectFS } from '../object/object-fs.ts'
import { S3Store } from './s3-store.ts'

export type S3Options = S3TierOptions

export class S3FS extends ObjectFS implements Disposable {
  readonly #store: S3Store

  constructor(options: S3Options) {
    const store = new S3Store(options)
    super(store, options.prefix)
    this.#store = store
  }

  /** Its connections; it can be used again all the same. */
  close(): void {
    this.#store.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
