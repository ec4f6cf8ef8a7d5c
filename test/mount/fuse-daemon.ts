/**
 * A daemon that tests kill: mounts a tree in memory on the given folder, prints `ready`, and stays,
 * or ends in the way that its second argument selects.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FuseServer } from '../../src/fuse/fuse-server.ts'
import { MemoryTree } from './fuse-memory-tree.ts'

const [mountPoint = '', how = 'stay'] = process.argv.slice(2)

await FuseServer.open({
  mountPoint,
  source: 'daemon',
  fileSystem: new MemoryTree(),
  worker: { module: new URL('./fuse-memory-tree.ts', import.meta.url), count: 1 },
  resolveWait: () => Promise.reject(new Error('nothing waits here')),
})
await writeFile(join(mountPoint, 'hello'), 'from the daemon')
process.stdout.write('ready\n')
setTimeout(() => {
  // The test checks that this does not hang.
  // eslint-disable-next-line no-restricted-syntax
  if (how === 'exit') process.exit(3)
  if (how === 'throw') throw new Error('thrown on purpose')
}, 200)
