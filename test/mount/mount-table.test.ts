/**
 * Entries of the mount table: the type of a mount, and a source that distinguishes it from others.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findMount } from '../../src/fuse/mount/mount-table.ts'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { RemoteHome } from '../fixtures/mounted-remote.ts'
import { withFuse } from './fuse-scratch.ts'

const NAMES = ['team volume, ü', '#1', 'nfs:/x,ro']

test('a node is shown with where its volume is, or with --fsname', withFuse, async () => {
  using home = new ClientHome()
  const shown = async (flags: string[]): Promise<(string | undefined)[]> => {
    const client = await ClientProcess.start(home, { flags })
    const { type, source } = findMount(home.mount) ?? {}
    assert.equal(await client.stop(), 0)
    return [type, source]
  }
  assert.deepEqual(await shown([]), ['fuse.cachefs', `file://${home.cloud}`])
  for (const name of NAMES) assert.deepEqual(await shown(['-fsname', name]), ['fuse.cachefs', name])
  for (const name of ['-x', 'LABEL=x', 'two\nlines', 'x'.repeat(256)]) {
    const { code, stderr } = await ClientProcess.run(home, { flags: [`-fsname=${name}`] })
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^client: --fsname .*: give a name of up to 255 bytes/s)
  }
})

test('a file mount is shown with its remote, or with --fsname', withFuse, async () => {
  using home = new RemoteHome()
  for (const [flags, source] of [
    [[], home.remoteUrl],
    [['--fsname', 'reports'], 'reports'],
  ] as [string[], string][]) {
    const mounted = await home.start(['--remote', home.remoteUrl, ...flags])
    const entry = findMount(home.mount)
    assert.deepEqual([entry?.type, entry?.source], ['fuse.cachefs', source])
    assert.equal(await mounted.stop(), 0, mounted.stderr)
  }
})
