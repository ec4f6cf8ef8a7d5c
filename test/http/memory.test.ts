/** Upload and download of a file far larger than the memory limit of the process. */
import assert from 'node:assert/strict'
import { stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { keyedFetch } from '../fixtures/keyed-fetch.ts'
import { API_KEY, startNodeApi } from '../fixtures/node-api-fixture.ts'

const GIB = 1024 ** 3
const MIB = 1024 ** 2
const fetch = keyedFetch(API_KEY)
/** For client and server in one process: sockets, streams and garbage of both. */
const GROWTH_MAX = 200 * MIB

function watchMemory(): () => number {
  const before = process.memoryUsage.rss()
  let most = before
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10)
  return () => {
    clearInterval(timer)
    return most - before
  }
}

test('a download of 1 GiB uses constant memory', async () => {
  await using api = await startNodeApi()
  const path = join(api.directory, 'large')
  await writeFile(path, '')
  await truncate(path, GIB)
  const grownBy = watchMemory()
  const answer = await fetch(api.file('large'))
  let received = 0
  for await (const chunk of answer.body!) received += (chunk as Uint8Array).length
  assert.equal(received, GIB)
  const growth = grownBy()
  assert.ok(growth < GROWTH_MAX, `grew by ${Math.round(growth / MIB)} MiB`)
})

test('an upload of 1 GiB uses constant memory', async () => {
  await using api = await startNodeApi({ maxUploadBytes: GIB })
  const block = Buffer.alloc(MIB, 'block')
  const grownBy = watchMemory()
  const body = Readable.from(
    (function* () {
      for (let i = 0; i < 1024; i++) yield block
    })(),
  )
  const init = { method: 'PUT', body, duplex: 'half' } as unknown as RequestInit
  assert.equal((await fetch(api.file('large'), init)).status, 201)
  assert.equal((await stat(join(api.directory, 'large'))).size, GIB)
  const growth = grownBy()
  assert.ok(growth < GROWTH_MAX, `grew by ${Math.round(growth / MIB)} MiB`)
})
