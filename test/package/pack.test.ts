/**
 * The package as users get it: packed from what is in this checkout (in a copy, so that nothing
 * here changes), installed into an empty folder, run, and imported with its types.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { withFuse } from '../mount/fuse-scratch.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const PACKED = ['bin', 'docs', 'scripts', 'src', 'package.json', 'tsconfig.json']
const ALSO = ['tsconfig.build.json', 'README.md', 'LICENSE', 'CHANGELOG.md']

/** Without npm's own settings: those of an outer `npm test` are not the user's. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')),
)

const MODULE = `import { CacheFS, FsError, MemoryFS } from 'cachefs'
import type { FileSystem, TierStorage } from 'cachefs'
const error = new FsError('ENOENT', 'no such file', { path: '/a' })
export const code: 'ENOENT' | string = error.code
export type Both = FileSystem & TierStorage
console.log(code, error.errno)
const remote = new MemoryFS()
const files: CacheFS = await CacheFS.open(new MemoryFS(), remote, { journal: true })
await files.writeFile('/file', 'text')
await files.close()
console.log(await remote.readFile('/file', 'utf8'))
`
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

  test('has what runs, and neither source nor tests', async () => {
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

  test('runs a node: mounts, keeps a file, stops', withFuse, async () => {
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

  test('is imported with its types', async () => {
    await writeFile(join(user, 'module.ts'), MODULE)
    await writeFile(join(user, 'tsconfig.json'), JSON.stringify(TSCONFIG))
    await mkdir(join(user, 'node_modules/@types'), { recursive: true })
    await symlink(join(ROOT, 'node_modules/@types/node'), join(user, 'node_modules/@types/node'))
    await symlink(
      join(ROOT, 'node_modules/undici-types'),
      join(user, 'node_modules/undici-types'),
    ).catch(() => undefined)
    await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc')], { cwd: user })
    const { stdout } = await run(process.execPath, ['module.js'], { cwd: user })
    assert.equal(stdout, 'ENOENT -2\ntext\n')
  })
})
