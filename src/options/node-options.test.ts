import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import { addNodeFlags, readNodeOptions } from './node-options.ts'
import type { NodeOptions } from './node-options.ts'
import { withTwoDashes } from './long-flags.ts'
import { UsageError } from './usage-error.ts'

function parse(args: string[], environment: Record<string, string> = {}): NodeOptions {
  const command = new Command('client').exitOverride()
  addNodeFlags(command)
  const flags = new Set(command.options.flatMap((option) => option.long ?? []))
  command.parse(withTwoDashes(args, flags), { from: 'user' })
  return readNodeOptions(command, environment)
}

const FILE = ['-cloud-dir', '/srv/cloud']

describe('the flags of a node', () => {
  test('have the defaults of the contract', () => {
    assert.deepEqual(parse([]), {
      mountPoint: '/tmp/fuse-client',
      nvmeDir: '/tmp/nvme-cache',
      nvmeCapacityBytes: 10 * 2 ** 30,
      nvmeFreeFloor: { fraction: 0.05 },
      coordinator: 'embedded',
      host: '127.0.0.1',
      port: 8081,
      advertisedHost: undefined,
      peerId: undefined,
      chunkSizeBytes: 4 * 2 ** 20,
      apiKey: undefined,
      cloud: {
        provider: 's3',
        bucket: 'fuse-client-cache',
        region: 'us-east-1',
        endpoint: undefined,
      },
      durability: 'local',
      acceptOlderNames: undefined,
      maxUnsyncedBytes: undefined,
      maxUnsyncedMs: undefined,
      fuseThreads: 2,
      passthrough: 'auto',
      trace: false,
      logLevel: 'info',
      logFormat: 'line',
      uploadLimitBytes: 100 * 2 ** 20,
      joinToken: undefined,
      metricsToken: undefined,
      fsname: undefined,
      create: false,
    } satisfies NodeOptions)
  })

  test('are taken with one dash, two dashes and an equals sign', () => {
    assert.equal(parse(['-port', '1', ...FILE]).port, 1)
    assert.equal(parse(['--port', '2', ...FILE]).port, 2)
    assert.equal(parse(['-port=3', ...FILE]).port, 3)
    assert.equal(parse(['--port=4', '-trace', ...FILE]).trace, true)
  })

  test('come from the command line, then CACHEFS_*, then the names others use', () => {
    const environment = { CACHEFS_S3_REGION: 'eu-north-1', AWS_REGION: 'eu-west-1' }
    const region = (args: string[], variables: Record<string, string>) => {
      const { cloud } = parse(args, variables)
      return cloud.provider === 's3' ? cloud.region : undefined
    }
    assert.equal(region(['-s3-region', 'us-west-2'], environment), 'us-west-2')
    assert.equal(region([], environment), 'eu-north-1')
    assert.equal(region([], { AWS_REGION: 'eu-west-1', CACHEFS_S3_REGION: '' }), 'eu-west-1')
    assert.equal(parse([], { CACHEFS_TRACE: '1' }).trace, true)
    assert.equal(parse(['-api-key', ''], { CACHEFS_API_KEY: 'secret' }).apiKey, undefined)
    assert.equal(parse([], { CACHEFS_API_KEY: 'secret' }).apiKey, 'secret')
  })

  test('a pod listens on all addresses and is known by its own', () => {
    const variables = { POD_IP: '10.0.0.7', CACHEFS_API_KEY: 'k' }
    const { host, advertisedHost } = parse([], variables)
    assert.deepEqual({ host, advertisedHost }, { host: '0.0.0.0', advertisedHost: '10.0.0.7' })
  })

  test('sizes have the unit of the flag, or their own', () => {
    assert.equal(parse(['-nvme-capacity', '2']).nvmeCapacityBytes, 2 * 2 ** 30)
    assert.equal(parse(['-nvme-capacity', '512MiB']).nvmeCapacityBytes, 512 * 2 ** 20)
    assert.equal(parse(['-nvme-capacity', '1.5T']).nvmeCapacityBytes, 1.5 * 2 ** 40)
    assert.equal(parse(['-chunk-size', '1']).chunkSizeBytes, 2 ** 20)
    assert.equal(parse(['-max-unsynced-bytes', '1g']).maxUnsyncedBytes, 2 ** 30)
    assert.equal(parse(['-max-unsynced-seconds', '1.5']).maxUnsyncedMs, 1500)
    assert.deepEqual(parse(['-nvme-free-floor', '2G']).nvmeFreeFloor, { bytes: 2 * 2 ** 30 })
    assert.deepEqual(parse(['-nvme-free-floor', '0%']).nvmeFreeFloor, { fraction: 0 })
  })

  test('a cloud is a folder, S3 or Azure', () => {
    assert.deepEqual(parse(FILE).cloud, { provider: 'file', dir: '/srv/cloud' })
    const environment = { AZURE_STORAGE_ACCOUNT: 'me', AZURE_STORAGE_KEY: 'a2V5' }
    assert.deepEqual(parse(['-cloud-provider', 'azure'], environment).cloud, {
      provider: 'azure',
      account: 'me',
      key: 'a2V5',
      container: 'fuse-cache',
      endpoint: undefined,
    })
  })

  const WRONG: [string[], RegExp][] = [
    [['-nvme-capacity', 'ten'], /^--nvme-capacity ten: a size is a number and a unit/],
    [['-nvme-capacity', '1K'], /^--nvme-capacity: has to hold 2 chunks/],
    [['-chunk-size', '3'], /^--chunk-size 3: give a power of two/],
    [['-port', '65536'], /^--port 65536: give a whole number from 0 to 65535$/],
    [['-port', '-1'], /^--port -1: give a whole number/],
    [['-nvme-free-floor', '100%'], /less than 100%/],
    [['-cloud-provider', 'gcs'], /^--cloud-provider gcs: give one of s3, azure, file$/],
    [['-cloud-provider', 'file'], /say where with --cloud-dir/],
    [['-cloud-provider', 'azure'], /set AZURE_STORAGE_ACCOUNT/],
    [['-s3-endpoint', 'minio:9000'], /give a URL/],
    [['-mount', '/'], /name a folder of its own/],
    [['-mount', '/m', '-nvme', '/m/nvme'], /must not be inside the mount point/],
    [['-mount', '/m', '-cloud-dir', '/m'], /must not be inside the mount point/],
    [['-coordinator', 'host'], /give host:port of the coordinator, or embedded/],
    [['-durability', 'peers=2'], /a node alone has no peers, so name their --coordinator/],
    [['-durability', 'tape'], /give local, cloud, or peers=N with N from 1/],
    [['-durability', 'peers=0', '-coordinator', 'a:1'], /give local, cloud, or peers=N/],
    [['-max-unsynced-seconds', '0'], /above 0/],
    [['-peer-id', '../x'], /a peer id is/],
    [['-log-level', 'loud'], /give one of trace/],
  ]
  for (const [args, message] of WRONG) {
    test(`${args.join(' ')} is wrong, and the message says what to do`, () => {
      assert.throws(
        () => parse(args),
        (error) => error instanceof UsageError && message.test(error.message),
      )
    })
  }

  test('a variable that is wrong is named', () => {
    assert.throws(() => parse([], { CACHEFS_PORT: 'http' }), /^UsageError: CACHEFS_PORT=http: give/)
  })
})
