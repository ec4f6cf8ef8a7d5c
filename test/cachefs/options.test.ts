/** Invalid options from programs without type checks: each is rejected with one sentence. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cachefs from '../../src/index.ts'

const { AzureFS, CacheFS, FileServer, FsError, HttpFS, LocalFS } = cachefs
const { MemoryFS, ReadOnlyFS, S3FS, SubFS } = cachefs

/** Removes the type, as in JavaScript. */
const any = (value: unknown): never => value as never
const cache = (options: unknown): unknown => {
  return new CacheFS(new MemoryFS(), new MemoryFS(), any(options))
}
const S3 = { bucket: 'b', region: 'r' }
const AZURE = { account: 'a', key: 'aaaa', container: 'c' }

const REFUSED: [() => unknown, RegExp][] = [
  [() => new CacheFS(any('/a'), any('/b')), /CacheFS: local must be a file system.*not "\/a"/],
  [() => new CacheFS(new MemoryFS(), any(undefined)), /CacheFS: remote is missing/],
  [() => cache({ ttlMs: '1h' }), /CacheFS: ttlMs must be milliseconds, .* from 0, not "1h"/],
  [() => cache({ ttlMs: -1 }), /ttlMs .* not -1/],
  [() => cache({ ttlMs: NaN }), /ttlMs .* not NaN/],
  [() => cache({ blockBytes: 0 }), /blockBytes must be bytes, a number from 1, not 0/],
  [() => cache({ conflict: 'x' }), /conflict must be one of 'local wins', .*, not "x"/],
  [() => cache({ journal: 'yes' }), /journal must be true, false or a file system, not "yes"/],
  [() => cache({ logger: console.log }), /logger must be a logger with warn and error/],
  [() => cache({ ttl: 5 }), /CacheFS has no option ttl, only ttlMs, /],
  [() => cache(null), /CacheFS: options must be an object, not null/],
  [() => cache([]), /CacheFS: options must be an object, not a list/],
  [() => new S3FS(any({})), /S3FS: bucket is missing: it must be the name of a bucket/],
  [() => new S3FS({ ...S3, bucket: '' }), /bucket must be the name of a bucket, not ""/],
  [() => new S3FS(any({ bucket: 'b' })), /S3FS: region is missing/],
  [() => new S3FS({ ...S3, endpoint: 'minio:9000' }), /endpoint must be the URL .* "minio:9000"/],
  [() => new S3FS({ ...S3, accessKeyId: 'a' }), /secretAccessKey must be given together/],
  [() => new S3FS(any({ ...S3, secretAccessKey: 12345 })), /secretAccessKey .* not another type$/],
  [() => new S3FS(any({ ...S3, Bucket: 'b' })), /S3FS has no option Bucket/],
  [() => new AzureFS(any({ account: 'a', container: 'c' })), /AzureFS: key is missing/],
  [() => new AzureFS({ ...AZURE, container: '' }), /container must be/],
  [() => new HttpFS(any(undefined)), /HttpFS: url is missing/],
  [() => new HttpFS('ftp://host'), /url must be the URL of a server.*not "ftp:\/\/host"/],
  [() => new HttpFS('http://host', any({ apikey: 'k' })), /HttpFS has no option apikey/],
  [() => new HttpFS('http://host', any({ headers: { a: 1 } })), /headers must be header fields/],
  [() => new LocalFS(any(7)), /LocalFS: directory must be the path of a directory, not 7/],
  [() => new SubFS(new MemoryFS(), any(undefined)), /SubFS: directory is missing/],
  [() => new SubFS(any('/a'), '/b'), /SubFS: inner must be a file system/],
  [() => new ReadOnlyFS(any({})), /ReadOnlyFS: inner must be a file system/],
]

for (const [work, sentence] of REFUSED) {
  test(`rejected: ${sentence.source}`, () => {
    assert.throws(work, (error: unknown) => {
      assert.ok(error instanceof FsError && error.code === 'EINVAL', String(error))
      assert.match(error.message, sentence)
      assert.doesNotMatch(error.message, /\n|12345/)
      return true
    })
  })
}

test('the options of a server are checked', async () => {
  const files = new MemoryFS()
  const listen = (options: unknown): Promise<unknown> => FileServer.listen(files, any(options))
  await assert.rejects(FileServer.listen(any('/a')), /FileServer: files must be a file system/)
  await assert.rejects(listen({ port: 70_000 }), /port must be a whole number .* not 70000/)
  await assert.rejects(listen({ apiKey: '' }), /apiKey must be a key that is not empty/)
  await assert.rejects(listen({ key: 'k' }), /FileServer has no option key/)
})

test('valid options are accepted, including undefined', async () => {
  const logger = { warn: () => undefined, error: () => undefined }
  const options = { ttlMs: 0, maxBytes: Infinity, conflict: undefined, journal: true, logger }
  await using files = new CacheFS(new MemoryFS(), new MemoryFS(), options)
  assert.throws(() => (files.ttlMs = any('5')), { code: 'EINVAL' })
  files.ttlMs = Infinity
  const s3 = new S3FS({ ...S3, endpoint: undefined, prefix: '' })
  s3.close()
})
