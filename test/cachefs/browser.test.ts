/**
 * The core in a browser: it bundles without Node modules and runs in headless Chromium. Without
 * Chromium, the test fails with an explanation; only CACHEFS_NO_BROWSER=1 disables it.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { build } from 'esbuild-wasm'

const BROWSERS = ['chromium-headless-shell', 'chromium', 'google-chrome']
const withBrowser = { skip: process.env['CACHEFS_NO_BROWSER'] === '1', timeout: 120_000 }

/** The page as one script without Node modules. */
async function bundle(): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: [join(import.meta.dirname, 'browser-page.ts')],
    ...{ bundle: true, write: false, format: 'esm', platform: 'browser', target: 'es2022' },
    supported: { using: false, 'top-level-await': true },
  })
  const script = outputFiles[0]?.text ?? ''
  assert.deepEqual(warnings, [])
  assert.doesNotMatch(script, /from ["']node:|require\(/)
  return script
}

function browser(): string {
  const found = BROWSERS.map((name) => join('/usr/bin', name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new Error(
    'this test needs Chromium: apt-get install chromium-headless-shell, or CACHEFS_NO_BROWSER=1',
  )
}

test('the core bundles for browsers', async () => {
  assert.notEqual(await bundle(), '')
})

test('the core runs in headless Chromium', withBrowser, async () => {
  const program = browser()
  const script = await bundle()
  const server = createServer(({ url, method }, reply) => {
    const types = { '/': 'text/html', '/page.js': 'text/javascript' } as Record<string, string>
    const bodies: Record<string, string> = {
      '/': '<body>waiting</body><script type="module" src="/page.js"></script>',
      '/page.js': script,
      '/files/greeting.txt': 'hello',
    }
    const body = bodies[url ?? '']
    const type = types[url ?? ''] ?? 'application/octet-stream'
    reply.writeHead(body === undefined ? 404 : 200, {
      'content-type': type,
      'content-length': Buffer.byteLength(body ?? ''),
    })
    reply.end(method === 'HEAD' ? undefined : body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const profile = await mkdtemp(join(tmpdir(), 'cachefs-browser-'))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`]
  const page = ['--virtual-time-budget=5000', '--dump-dom', `http://127.0.0.1:${port}/`]
  const { stdout } = await promisify(execFile)(program, [...flags, ...page])
  server.close()
  server.closeAllConnections()
  await rm(profile, { recursive: true, force: true })
  assert.match(stdout, /<body>hello hello true/)
})
