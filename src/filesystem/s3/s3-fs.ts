/**
 * An existing S3 bucket, or the part of it below a prefix, as a file system:
 *
 *     const files = new S3FS({ bucket: 'data', region: 'eu-central-1', prefix: 'reports' })
 */
import { FsError } from '../../base/fs-error.ts'
import { address, checkOptions, name, required, secret, text } from '../../base/options.ts'
import type { OptionRule } from '../../base/options.ts'
import type { S3TierOptions } from '../../tiers/cloud/s3/s3-tier.ts'
import { ObjectFS } from '../object/object-fs.ts'
import { S3Store } from './s3-store.ts'

export type S3Options = S3TierOptions

const RULES: { [K in keyof Required<S3Options>]: OptionRule } = {
  bucket: required(name('the name of a bucket')),
  region: required(name('the region of the bucket, such as eu-central-1')),
  endpoint: address('the URL of a server, such as http://127.0.0.1:9000'),
  prefix: text('the beginning of keys, as text'),
  accessKeyId: text('a key id, with secretAccessKey beside it'),
  secretAccessKey: secret(text('a key, with accessKeyId beside it')),
}

export class S3FS extends ObjectFS implements Disposable {
  readonly #store: S3Store

  constructor(options: S3Options) {
    checkOptions('S3FS', RULES, options)
    const { accessKeyId, secretAccessKey } = options
    if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
      const text = 'S3FS: accessKeyId and secretAccessKey must be given together or not at all'
      throw new FsError('EINVAL', text)
    }
    const store = new S3Store(options)
    super(store, options.prefix)
    this.#store = store
  }

  /** Closes idle connections; the file system stays usable. */
  close(): void {
    this.#store.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
