/**
 * Log lines about an outage and a stop: one sentence, logged once, however often the operation
 * fails.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { RemoteHome } from '../fixtures/mounted-remote.ts'
import { startS3Server } from '../fixtures/s3-server.ts'
import { withFuse } from './fuse-scratch.ts'

const FILES = 20
const options = { ...withFuse, timeout: 120_000 }

/** Lines above INFO, without their timestamps. */
function complaints(log: string): string[] {
  const lines = log.split('\n').filter((line) => line !== '')
  return lines.map((line) => line.replace(/^\S+ /, '')).filter((line) => !line.startsWith('INFO'))
}

/** Asserts that no part of a sentence is repeated. */
function assertSaidOnce(line: string): void {
  const parts = line.split(/: /).filter((part) => part.length > 8)
  assert.equal(new Set(parts).size, parts.length, line)
}

test('a cloud that is away is a few lines of the log of a node', options, async () => {
  await using server = await startS3Server({ lenient: true })
  const { endpoint, bucket, accessKeyId = '', secretAccessKey = '' } = server.options
  const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  using home = new ClientHome()
  const flags = ['-cloud-provider', 's3', '-s3-endpoint', endpoint, '-s3-bucket', bucket]
  const client = await ClientProcess.start(home, { flags, environment })
  const at = (name: string, n: number): string => join(home.mount, `${name}${n}`)
  for (let n = 0; n < FILES; n++) writeFileSync(at('old', n), 'x'.repeat(10_000))
  await client.act('wait', '/')
  await client.act('evict', '/')
  await server.stop()
  for (let n = 0; n < FILES; n++) writeFileSync(at('new', n), 'x')
  const reads = Array.from({ length: FILES }, (_, n) => readFile(at('old', n)))
  for (const read of await Promise.allSettled(reads)) assert.equal(read.status, 'rejected')
  await eventually('uploads fail', () => client.log.join('').includes('uploads fail'))
  assert.equal(await client.stop(), 0)
  const log = client.log.join('')
  assert.deepEqual(
    complaints(log)
      .map((line) => /^\w+ \[\w+\] .{12}/.exec(line)?.[0])
      .sort(),
    [`WARN [CACHE] ${FILES} chunks (2`, 'WARN [CACHE] EIO: cannot ', 'WARN [CACHE] uploads fail'],
    log,
  )
  complaints(log).forEach(assertSaidOnce)
  assert.equal(log.match(/SIGTERM: stopping/g)?.length, 1)
  assert.doesNotMatch(log, /^ +at /m)
})

test('a remote that is away is a few lines of the log of a file mount', options, async () => {
  await using server = await startS3Server({ lenient: true })
  const { endpoint, bucket, accessKeyId = '', secretAccessKey = '' } = server.options
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  using home = new RemoteHome()
  const remote = ['--remote', `s3://${bucket}/files`, '--s3-endpoint', endpoint]
  const mounted = await home.start([...remote, '--stale-if-error', '1d'], keys)
  readdirSync(home.mount)
  await server.stop()
  for (let n = 0; n < FILES; n++) {
    const path = join(home.mount, `new${n}`)
    writeFileSync(path, 'x')
    assert.equal(readFileSync(path, 'utf8'), 'x')
  }
  await eventually('writes fail', () => mounted.stderr.includes('failed in the background'))
  assert.equal(await mounted.stop(), 0)
  const lines = complaints(mounted.stderr)
  assert.ok(lines.length <= 4, mounted.stderr)
  lines.forEach(assertSaidOnce)
  assert.equal(mounted.stderr.match(/SIGINT: stopping/g)?.length, 1)
  assert.doesNotMatch(mounted.stderr, /^ +at /m)
})
