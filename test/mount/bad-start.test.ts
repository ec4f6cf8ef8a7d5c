/**
 * Starts that must fail: each ends with status 1 and one sentence that states the problem and the
 * remedy, and leaves no mount behind. Real processes, folders and servers.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientHome, ClientProcess, type ClientOptions } from '../fixtures/client-process.ts'
import { startS3Server } from '../fixtures/s3-server.ts'

/** Asserts that the start fails with one matching line. */
async function refused(home: ClientHome, options: ClientOptions, wanted: RegExp): Promise<void> {
  const { code, stderr } = await ClientProcess.run(home, options)
  const lines = stderr.split('\n').filter((line) => line !== '' && !/ (INFO|WARN) /.test(line))
  assert.equal(code, 1, stderr)
  assert.equal(lines.length, 1, stderr)
  assert.match(lines[0] ?? '', wanted)
}

async function startAndStop(home: ClientHome): Promise<void> {
  const client = await ClientProcess.start(home)
  writeFileSync(join(home.mount, 'file'), 'content')
  assert.equal(await client.stop(), 0)
}

test('a mount point that is a file', async () => {
  using home = new ClientHome()
  rmSync(home.mount, { recursive: true })
  writeFileSync(home.mount, '')
  await refused(home, {}, /mount.*director/i)
})

test('a mount point that is not empty', async () => {
  using home = new ClientHome()
  writeFileSync(join(home.mount, 'something'), '')
  await refused(home, {}, /not empty/)
  assert.deepEqual(readdirSync(home.mount), ['something'])
})

test('a port in use', async () => {
  using home = new ClientHome()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await refused(home, { flags: ['-port', String(port)] }, /port \d+ is in use/)
  server.close()
})

test('an NVMe directory in use by another process', async () => {
  using home = new ClientHome()
  using other = new ClientHome()
  const client = await ClientProcess.start(home)
  await refused(
    other,
    { flags: ['-nvme', home.nvme] },
    /in use by another process: .*\(pid \d+ has a lock on .*lock\.db\)/,
  )
  assert.equal(await client.stop(), 0)
})

test('an NVMe directory of another volume', async () => {
  using home = new ClientHome()
  using other = new ClientHome()
  await startAndStop(home)
  await startAndStop(other)
  await refused(home, { flags: ['-nvme', other.nvme] }, /belongs to volume/)
})

test('a bucket whose volume is on another node', async () => {
  using home = new ClientHome()
  using fresh = new ClientHome()
  await startAndStop(home)
  rmSync(fresh.nvme, { recursive: true })
  await refused(fresh, { flags: ['-cloud-dir', home.cloud] }, /whose names are not in/)
  assert.equal(existsSync(fresh.nvme), false, 'nothing was made')
})

test('a bucket with garbage where the volume should be', async () => {
  using home = new ClientHome()
  writeFileSync(join(home.cloud, 'volume.json'), 'garbage')
  await refused(home, {}, /volume\.json/)
})

test('a damaged volume.db', async () => {
  using home = new ClientHome()
  await startAndStop(home)
  rmSync(join(home.nvme, 'volume.db-wal'), { force: true })
  writeFileSync(join(home.nvme, 'volume.db'), 'not a database '.repeat(1000))
  await refused(home, {}, /volume\.db.*damaged/)
})

test('a bucket that cannot be reached', async () => {
  using home = new ClientHome()
  const flags = ['-cloud-provider', 's3', '-s3-endpoint', 'http://127.0.0.1:9']
  const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
  await refused(home, { flags, environment }, /127\.0\.0\.1:9/)
})

test('keys that the bucket does not know, and a bucket that is not there', async () => {
  await using server = await startS3Server()
  using home = new ClientHome()
  const { endpoint, bucket, accessKeyId = '', secretAccessKey = '' } = server.options
  const flags = ['-cloud-provider', 's3', '-s3-endpoint', endpoint, '-s3-bucket']
  const wrong = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: 'wrong' }
  await refused(home, { flags: [...flags, bucket], environment: wrong }, /key|credential/i)
  const right = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  await refused(home, { flags: [...flags, 'absent'], environment: right }, /absent/)
})

test('an NVMe directory that cannot be made', async () => {
  using home = new ClientHome()
  mkdirSync(join(home.directory, 'parent'))
  writeFileSync(join(home.directory, 'parent', 'file'), '')
  const nvme = join(home.directory, 'parent', 'file', 'nvme')
  await refused(home, { flags: ['-nvme', nvme] }, /NVMe directory/)
})

test('a cloud that is not there makes no new one, unless it may', async () => {
  using home = new ClientHome()
  const absent = join(home.directory, 'absent/cloud')
  const nvme = join(home.directory, 'absent-nvme')
  const flags = ['-nvme', nvme, '-cloud-dir', absent]
  await refused(home, { flags }, /no such directory: .*absent\/cloud\. .*--create/)
  assert.deepEqual([existsSync(absent), existsSync(nvme)], [false, false])
  const client = await ClientProcess.start(home, { flags: [...flags, '-create'] })
  assert.equal(await client.stop(), 0)
  assert.ok(existsSync(join(absent, 'volume.json')))
  rmSync(absent, { recursive: true })
  await refused(home, { flags }, /no such directory/)
  assert.equal(existsSync(absent), false, 'a disk that is not mounted is no new cloud')
})

test('--create makes a bucket, and minds none that is there', async () => {
  await using server = await startS3Server()
  const { endpoint, accessKeyId = '', secretAccessKey = '' } = server.options
  const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  using home = new ClientHome()
  const where = ['-cloud-provider', 's3', '-s3-endpoint', endpoint, '-s3-bucket', 'made-new']
  await refused(home, { environment, flags: where }, /no such bucket: made-new\. .*--create/)
  for (const flags of [['-create'], ['-create'], []]) {
    const options = { environment, flags: [...where, ...flags] }
    const client = await ClientProcess.start(home, options)
    assert.equal(await client.stop(), 0)
  }
})
