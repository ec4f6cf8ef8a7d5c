/**
 * The long-running actions of a node while the cloud is slow or unreachable: progress in bytes as
 * they move, receipts of whole folders, and refused evictions. A real node, a real S3 server behind
 * a proxy that injects faults, and the command line. The proxy runs in this process, so tests must
 * not block it with synchronous reads from the cloud.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startFaultProxy, type FaultProxy } from '../fixtures/fault-proxy.ts'
import { Random } from '../fixtures/random.ts'
import { startS3Server, type S3Server } from '../fixtures/s3-server.ts'

const run = promisify(execFile)
const CLI = new URL('../../src/cli/cachefs.ts', import.meta.url).pathname
const MIB = 1024 * 1024
const DATA = new Random(3).bytes(6 * MIB)
const LIMIT = { timeout: 120_000 }

interface Line {
  doneBytes: number
  totalBytes: number
  doneFiles: number
  totalFiles: number
  counted?: boolean
  done?: boolean
}

let home: ClientHome
let cloud: S3Server
let proxy: FaultProxy
let client: ClientProcess

before(async () => {
  home = new ClientHome()
  cloud = await startS3Server()
  const { endpoint, bucket, region, accessKeyId = '', secretAccessKey = '' } = cloud.options
  proxy = await startFaultProxy(endpoint)
  const where = ['-s3-endpoint', proxy.endpoint, '-s3-bucket', bucket, '-s3-region', region]
  client = await ClientProcess.start(home, {
    flags: ['-cloud-provider', 's3', ...where, '-chunk-size', '1M'],
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  })
})

after(async () => {
  proxy.fault = 'none'
  assert.equal(await client.stop(), 0)
  await proxy[Symbol.asyncDispose]()
  await cloud[Symbol.asyncDispose]()
  home[Symbol.dispose]()
})

const inMount = (name: string): string => join(home.mount, name)

async function receipt(path: string): Promise<Record<string, unknown>> {
  const { stdout } = await run(process.execPath, [CLI, 'receipt', path, ...api(), '--json'])
  return JSON.parse(stdout) as Record<string, unknown>
}

const api = (): string[] => ['--api', client.api]

/** A running verb, with its output so far as JSON lines and as text. */
class Following {
  readonly lines: Line[] = []
  stderr = ''
  readonly ended: Promise<unknown[]>

  constructor(verb: string, ...args: string[]) {
    const child = spawn(process.execPath, [CLI, verb, ...args, ...api()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      const whole = text.split('\n')
      text = whole.pop() ?? ''
      if (args.includes('--json')) this.lines.push(...whole.map((it) => JSON.parse(it) as Line))
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (this.stderr += piece))
    this.ended = once(child, 'exit')
  }
}

test(
  'wait counts the bytes that the cloud has; a folder’s receipt says what it has not',
  LIMIT,
  async () => {
    mkdirSync(inMount('tree/deep'), { recursive: true })
    writeFileSync(inMount('tree/durable'), DATA)
    writeFileSync(inMount('tree/deep/grows'), DATA)
    await client.act('wait', '/tree')
    const before = await receipt(inMount('tree'))
    assert.deepEqual(
      [before['durable'], before['files'], before['pendingBytes'], before['oldestPending']],
      [true, 2, 0, null],
    )
    proxy.fault = 'busy'
    const beganMs = Date.now()
    appendFileSync(inMount('tree/deep/grows'), DATA.subarray(0, MIB))
    const json = new Following('wait', inMount('tree'), '--json')
    const text = new Following('wait', inMount('tree'))
    await eventually('it says how much of the file the cloud has', () => {
      return json.lines.some(({ doneBytes, counted }) => counted && doneBytes === 12 * MIB)
    })
    await eventually('and so without a terminal', () => {
      return text.stderr.includes('wait: 12 MB of 13 MB (92 %), 1 of 2 files')
    })
    const pending = await receipt(inMount('tree'))
    assert.deepEqual(
      [
        'durable',
        'files',
        'pendingFiles',
        'pendingBytes',
        'durableBytes',
        'firstPending',
        'kept',
      ].map((name) => pending[name]),
      [false, 2, 1, MIB, 12 * MIB, ['/tree/deep/grows'], true],
    )
    const sinceMs = Date.parse(String(pending['oldestPending']))
    assert.ok(sinceMs >= beganMs - 1000 && sinceMs <= Date.now(), String(pending['oldestPending']))
    proxy.fault = 'none'
    assert.deepEqual(
      [await json.ended, await text.ended],
      [
        [0, null],
        [0, null],
      ],
    )
    const last = json.lines.at(-1)
    const all = { doneBytes: 13 * MIB, totalBytes: 13 * MIB, doneFiles: 2, totalFiles: 2 }
    assert.deepEqual(last, { ...all, counted: true, done: true })
  },
)

test(
  'an eviction is refused while the cloud is away, and names what it would strand',
  LIMIT,
  async () => {
    writeFileSync(inMount('evicted'), DATA)
    await client.act('wait', '/evicted')
    for (const fault of ['reset', 'busy'] as const) {
      proxy.fault = fault
      const refused = await run(process.execPath, [
        CLI,
        'evict',
        inMount('evicted'),
        ...api(),
      ]).then(
        () => assert.fail('it was not refused'),
        (error: unknown) => (error as { stderr: string }).stderr,
      )
      assert.match(refused, /cannot be reached.* 1 files \(6\.0 MB\).*: \/evicted\. .*--force/)
      assert.equal((await receipt(inMount('evicted')))['localChunks'], 6)
    }
    await run(process.execPath, [CLI, 'evict', '--force', inMount('evicted'), ...api()])
    assert.equal((await receipt(inMount('evicted')))['localChunks'], 0)
    // No data of it is local, so evicting it again strands nothing.
    await run(process.execPath, [CLI, 'evict', inMount('evicted'), ...api()])
    proxy.fault = 'none'
    assert.ok((await readFile(inMount('evicted'))).equals(DATA))
  },
)

test('warm counts chunks as they come', LIMIT, async () => {
  writeFileSync(inMount('warmed'), DATA)
  await client.act('wait', '/warmed')
  await client.act('evict', '/warmed')
  {
    await using file = await open(inMount('warmed'), 'r+')
    await file.write(DATA, MIB, MIB, 0)
  }
  proxy.fault = 'hang'
  const warm = new Following('warm', inMount('warmed'), '--json')
  await eventually('it says what is here already', () => {
    return warm.lines.some(({ doneBytes, doneFiles }) => doneBytes === MIB && doneFiles === 0)
  })
  proxy.fault = 'none'
  proxy.release()
  assert.deepEqual(await warm.ended, [0, null])
  assert.equal(warm.lines.at(-1)?.doneBytes, 6 * MIB)
})

test('a receipt as an extended attribute is that of a file', () => {
  const script = 'import os,sys; print(os.getxattr(sys.argv[1], "user.cachefs.receipt").decode())'
  assert.throws(
    () => execFileSync('python3', ['-c', script, inMount('tree')], { stdio: 'pipe' }),
    /No data available/,
  )
})
