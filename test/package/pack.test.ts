/**
 * The package as users get it: packed from a copy of this checkout (so that nothing here changes),
 * installed into an empty directory, run, imported with its types on every supported version of
 * Node, and bundled for browsers.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { build } from 'esbuild-wasm'
import { withFuse } from '../mount/fuse-scratch.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const PACKED = ['bin', 'docs', 'scripts', 'src', 'package.json', 'tsconfig.json']
const ALSO = ['tsconfig.build.json', 'README.md', 'LICENSE', 'CHANGELOG.md']

/** Environment without the npm settings of an outer `npm test`. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')),
)

const MODULE = `import { CacheFS, FileServer, FsError, HttpFS, LocalFS, MemoryFS } from 'cachefs'
import type { FileSystem, TierStorage } from 'cachefs'
const error = new FsError('ENOENT', 'no such file', { path: '/a' })
export const code: 'ENOENT' | string = error.code
export type Both = FileSystem & TierStorage
console.log(code, error.errno)
const behind = new MemoryFS()
await using server = await FileServer.listen(behind)
const remote = new HttpFS(server.url, { operations: true })
const files: CacheFS = await CacheFS.open(new LocalFS('local'), remote, { journal: true })
await files.mkdir('/directory')
await files.writeFile('/directory/file', 'text')
await files.rename('/directory', '/renamed')
await files.close()
console.log(await behind.readFile('/renamed/file', 'utf8'), process.version.split('.')[0])
`
const NODES = ['24', '26']
const TSCONFIG = {
  compilerOptions: { module: 'nodenext', target: 'es2024', strict: true, types: ['node'] },
}

describe('the published package', () => {
  let folder: string
  let user: string
  let installed: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cachefs-pack-'))
    const checkout = join(folder, 'checkout')
    user = join(folder, 'user')
    installed = join(user, 'node_modules/cachefs')
    await mkdir(user)
    for (const name of [...PACKED, ...ALSO]) {
      await cp(join(ROOT, name), join(checkout, name), { recursive: true })
    }
    await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
    await run('npm', ['pack', '--pack-destination', folder], { cwd: checkout, env })
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      version: string
    }
    await writeFile(join(user, 'package.json'), '{ "private": true, "type": "module" }')
    const tarball = join(folder, `cachefs-${version}.tgz`)
    await run('npm', ['install', '--prefer-offline', '--no-audit', tarball], { cwd: user, env })
  })

  after(() => rm(folder, { recursive: true, force: true }))

  test('contains the build, and neither sources nor tests', async () => {
    const { stdout } = await run('find', ['.', '-type', 'f', '-not', '-path', './node_modules/*'], {
      cwd: installed,
    })
    const files = stdout.trim().split('\n').sort()
    for (const name of ['LICENSE', 'README.md', 'bin/client', 'dist/index.js', 'dist/index.d.ts']) {
      assert.ok(files.includes(`./${name}`), `${name} is missing`)
    }
    assert.deepEqual(
      files.filter((file) => /\.test\.|^\.\/(src|test|scripts)\//.test(file)),
      [],
    )
  })

  test('runs its commands', async () => {
    const program = (name: string) => join(user, 'node_modules/.bin', name)
    const { stdout: help } = await run(program('cachefs'), ['--help'])
    assert.match(help, /Usage: cachefs/)
    const { stdout: version } = await run(program('cachefs'), ['--version'])
    assert.match(version, /^\d+\.\d+\.\d+\n$/)
    const { stdout: client } = await run(program('cachefs-client'), ['--help'])
    assert.match(client, /--mount/)
    const { stdout: coordinator } = await run(program('cachefs-coordinator'), ['--help'])
    assert.match(coordinator, /--data/)
  })

  test('runs a node that mounts, stores a file, and stops', withFuse, async () => {
    const dir = join(folder, 'node')
    const cachefs = join(user, 'node_modules/.bin/cachefs')
    const up = await run(cachefs, ['up', '--detach', '--dir', dir, '--port', '0', '--json'])
    const { mountPoint } = JSON.parse(up.stdout) as { mountPoint: string }
    try {
      await writeFile(join(mountPoint, 'file'), 'kept')
      assert.equal(await readFile(join(mountPoint, 'file'), 'utf8'), 'kept')
    } finally {
      await run(cachefs, ['umount', '--dir', dir])
    }
    await assert.rejects(readFile(join(mountPoint, 'file')), { code: 'ENOENT' })
  })

  test('can be imported with its types', async () => {
    await writeFile(join(user, 'module.ts'), MODULE)
    await writeFile(join(user, 'tsconfig.json'), JSON.stringify(TSCONFIG))
    await mkdir(join(user, 'node_modules/@types'), { recursive: true })
    await symlink(join(ROOT, 'node_modules/@types/node'), join(user, 'node_modules/@types/node'))
    await symlink(
      join(ROOT, 'node_modules/undici-types'),
      join(user, 'node_modules/undici-types'),
    ).catch(() => undefined)
    await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc')], { cwd: user })
  })

  for (const major of NODES) {
    test(`runs on Node ${major}`, { timeout: 120_000 }, async () => {
      const node = await nodeOf(major, folder)
      await rm(join(user, 'local'), { recursive: true, force: true })
      await mkdir(join(user, 'local'))
      const { stdout } = await run(node, ['module.js'], { cwd: user })
      assert.equal(stdout, `ENOENT -2\ntext v${major}\n`)
      const program = join(installed, 'dist/cli/cachefs.js')
      assert.match((await run(node, [program, '--help'])).stdout, /Usage: cachefs/)
    })
  }

  test('bundles for browsers', async () => {
    const contents = `export { CacheFS, HttpFS, MemoryFS } from 'cachefs'`
    const { outputFiles, warnings } = await build({
      stdin: { contents, resolveDir: user },
      ...{ bundle: true, write: false, format: 'esm', platform: 'browser' },
    })
    assert.deepEqual(warnings, [])
    assert.doesNotMatch(outputFiles[0]?.text ?? 'require(', /from ["']node:|require\(/)
  })
})

/** A Node binary of that version from npm, unless this one has it. */
async function nodeOf(major: string, folder: string): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const place = join(folder, `node-${major}`)
  await mkdir(place)
  const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['install', '--prefix', place, ...quiet, `${name}@${major}`], { env })
  return join(place, 'node_modules', name, 'bin/node')
}
