/**
 * Failures of cloud tiers: the code is that of the contract, the message names object, cause and
 * remedy and contains no secret, and damage in transit is detected by the store or by the tier.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { describe as sentenceOf } from '../../src/base/fs-error.ts'
import { openCloudTier } from '../../src/tiers/cloud/open-cloud-tier.ts'
import type { CloudTierOptions } from '../../src/tiers/cloud/open-cloud-tier.ts'
import type { TierStorage } from '../../src/tiers/tier-storage.ts'
import { startAzureServer } from '../fixtures/azure-server.ts'
import { startFaultProxy } from '../fixtures/fault-proxy.ts'
import type { Fault, FaultProxy } from '../fixtures/fault-proxy.ts'
import { startS3Server } from '../fixtures/s3-server.ts'

const SECRET = Buffer.from('not the secret of this account').toString('base64')

interface Kind {
  server: AsyncDisposable & { stop(): Promise<void>; start(): Promise<void> }
  options: CloudTierOptions
  endpoint: string
  wrongKeys: Partial<CloudTierOptions>[]
  wrongPlace: Partial<CloudTierOptions>
}

async function s3Kind(): Promise<Kind> {
  const server = await startS3Server()
  return {
    server,
    options: { provider: 's3', ...server.options },
    endpoint: server.options.endpoint,
    wrongKeys: [
      { accessKeyId: 'UNKNOWN', secretAccessKey: SECRET },
      { secretAccessKey: SECRET },
    ] as Partial<CloudTierOptions>[],
    wrongPlace: { bucket: 'no-such-place' },
  }
}

async function azureKind(): Promise<Kind> {
  const server = await startAzureServer()
  return {
    server,
    options: { provider: 'azure', ...server.options },
    endpoint: server.options.endpoint,
    wrongKeys: [{ key: SECRET }],
    wrongPlace: { container: 'no-such-place' },
  }
}

/** All calls of the contract; each must report the cause. */
const CALLS: Record<string, (tier: TierStorage, signal?: AbortSignal) => Promise<unknown>> = {
  check: (tier, signal) => tier.check({ signal }),
  read: (tier, signal) => tier.read('some/key', { signal }),
  range: (tier, signal) => tier.read('some/key', { signal, offset: 3, length: 2 }),
  write: (tier, signal) => tier.write('some/key', Buffer.from('x'), { signal }),
  delete: (tier, signal) => tier.delete('some/key', { signal }),
  exists: (tier, signal) => tier.exists('some/key', { signal }),
  size: (tier, signal) => tier.size('some/key', { signal }),
  list: async (tier, signal) => {
    for await (const it of tier.list('some/', { signal })) return it
    return undefined
  },
}

async function assertAllFail(
  tier: TierStorage,
  code: string,
  sentence: RegExp,
  signal?: AbortSignal,
): Promise<void> {
  for (const [name, call] of Object.entries(CALLS)) {
    const error: unknown = await call(tier, signal).then(
      () => assert.fail(`${name} did not fail`),
      (it: unknown) => it,
    )
    const said = sentenceOf(error)
    assert.equal((error as { code?: string }).code, code, `${name}: ${said}`)
    assert.match(said, sentence, name)
    assert.ok(said.includes(tier.name), `${name} does not say where: ${said}`)
    assert.ok(!said.includes(SECRET), `${name} tells the secret`)
  }
}

for (const [name, open] of Object.entries({ s3Kind, azureKind })) {
  describe(`failures of a ${name.replace('Kind', '')} tier`, () => {
    let kind: Kind
    let proxy: FaultProxy
    let tier: TierStorage
    const openWith = (change: object): Promise<TierStorage> =>
      openCloudTier({ ...kind.options, ...change })
    before(async () => {
      kind = await open()
      proxy = await startFaultProxy(kind.endpoint)
      tier = await openWith({ endpoint: proxy.endpoint })
    })
    after(async () => {
      await tier.close()
      await proxy[Symbol.asyncDispose]()
      await kind.server[Symbol.asyncDispose]()
    })
    const withFault = async (fault: Fault, work: () => Promise<void>): Promise<void> => {
      proxy.fault = fault
      try {
        await work()
      } finally {
        proxy.fault = 'none'
      }
    }

    test('wrong keys are EACCES', async () => {
      for (const keys of kind.wrongKeys) {
        await assertAllFail(await openWith(keys), 'EACCES', /rejected|denied/)
      }
    })

    test('a missing bucket is not reported as a missing object', async () => {
      const wrong = await openWith(kind.wrongPlace)
      await assertAllFail(wrong, 'EIO', /no such (bucket|container): no-such-place\. Create it/)
    })

    test('a refused connection is reported with its endpoint', async () => {
      const closed = await startFaultProxy(kind.endpoint)
      await closed[Symbol.asyncDispose]()
      const { host } = new URL(closed.endpoint)
      const wrong = await openWith({ endpoint: closed.endpoint })
      await assertAllFail(wrong, 'EIO', new RegExp(`connection to ${host} refused`))
    })

    test('an unknown host is reported with its name', async () => {
      const wrong = await openWith({ endpoint: 'http://no-such-host.invalid:9000/x' })
      await assert.rejects(wrong.check(), { code: 'EIO', message: /no-such-host\.invalid:9000/ })
    })

    test('a call to a hanging store is ETIMEDOUT when the caller times out', async () => {
      await withFault('hang', async () => {
        for (const call of Object.values(CALLS)) {
          const started = performance.now()
          await assert.rejects(call(tier, AbortSignal.timeout(100)), { code: 'ETIMEDOUT' })
          assert.ok(performance.now() - started < 5000)
        }
      })
    })

    test('a broken connection and a busy store are EIO, each after one attempt', async () => {
      for (const [fault, sentence] of [
        ['reset', /closed the connection/],
        ['busy', /503/],
      ] as const) {
        await withFault(fault, async () => {
          const before = proxy.requests
          await assertAllFail(tier, 'EIO', sentence)
          assert.equal(proxy.requests - before, Object.keys(CALLS).length, 'no hidden retries')
        })
      }
    })

    test('the store rejects data that was damaged in transit', async () => {
      await withFault('damage-request', async () => {
        await assert.rejects(tier.write('up', randomBytes(1000)), { code: 'EIO' })
      })
      assert.equal(await tier.exists('up'), false)
    })

    test('damaged or truncated data is detected on read', async () => {
      await tier.write('down', randomBytes(100_000))
      for (const fault of ['damage-answer', 'cut-answer'] as const) {
        await withFault(fault, async () => {
          await assert.rejects(tier.read('down'), { code: 'EIO' }, fault)
        })
      }
      await withFault('cut-answer', async () => {
        await assert.rejects(tier.read('down', { offset: 5, length: 50_000 }), { code: 'EIO' })
      })
    })

    test('works again after the store has recovered', async () => {
      await tier.write('back', Buffer.from('again'))
      await kind.server.stop()
      const direct = await openWith({})
      await assertAllFail(direct, 'EIO', /refused|closed the connection/)
      await kind.server.start()
      assert.equal((await direct.read('back')).toString(), 'again')
    })
  })
}

test('S3 rejects a body that does not match Content-MD5', async () => {
  await using server = await startS3Server()
  const url = `${server.options.endpoint}/${server.options.bucket}/by-hand`
  const put = (md5: string): Promise<Response> =>
    fetch(url, { method: 'PUT', body: 'hello', headers: { 'content-md5': md5 } })
  const refused = await put('1B2M2Y8AsgTpgAmY7PhCfg==')
  assert.equal(refused.status, 400)
  assert.match(await refused.text(), /BadDigest/)
  assert.equal((await fetch(url)).status, 404)
  assert.equal((await put('XUFAKrxLKna5cZ2REBfFkg==')).status, 200)
})

test('damaged data that a store accepted is detected and deleted', async () => {
  await using server = await startS3Server({ lenient: true })
  await using proxy = await startFaultProxy(server.options.endpoint)
  const options = { ...server.options, provider: 's3' } as const
  const tier = await openCloudTier({ ...options, endpoint: proxy.endpoint })
  proxy.fault = 'damage-request'
  await assert.rejects(tier.write('taken', randomBytes(1000)), { code: 'EIO', message: /CRC-32/ })
  assert.equal(await tier.exists('taken'), false)
  await tier.close()
})

test('Azure rejects a body that does not match Content-MD5', async () => {
  await using server = await startAzureServer()
  const blob = server.container().getBlockBlobClient('by-hand')
  const wrong = { tier: 'Hot', transactionalContentMD5: randomBytes(16) }
  await assert.rejects(blob.upload('hello', 5, wrong), { statusCode: 400 })
  assert.equal(await blob.exists(), false)
})

test('invalid options are rejected at open', async () => {
  const s3 = { provider: 's3', bucket: 'b', region: 'r' } as const
  const azure = { provider: 'azure', account: 'a', key: SECRET, container: 'c' } as const
  const wrong: [CloudTierOptions, string][] = [
    [{ ...s3, bucket: '' }, 'EINVAL'],
    [{ ...s3, endpoint: 'localhost:9000' }, 'EINVAL'],
    [{ ...s3, accessKeyId: 'only one' }, 'EINVAL'],
    [{ ...s3, prefix: '../up' }, 'EINVAL'],
    [{ ...azure, container: '' }, 'EINVAL'],
    [{ ...azure, key: 'no base64!' }, 'EACCES'],
    [{ ...azure, endpoint: 'nonsense' }, 'EINVAL'],
    [{ provider: 'file', directory: '' }, 'EINVAL'],
    [{ provider: 'file', directory: '/proc/nowhere' }, 'ENOENT'],
  ]
  for (const [options, code] of wrong) {
    await assert.rejects(openCloudTier(options), { code }, JSON.stringify(options))
  }
})
