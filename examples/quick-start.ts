// A local directory in front of another: the five-minute start of docs/LIBRARY.md.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CacheFS, LocalFS, MemoryFS } from '../src/index.ts'

const remote = new LocalFS(await mkdtemp(join(tmpdir(), 'cachefs-example-')))
await remote.writeFile('/greeting.txt', 'hello')

await using files = new CacheFS(new MemoryFS(), remote, { ttlMs: 60_000 })
console.log(await files.readFile('/greeting.txt', 'utf8')) // fetched
console.log(await files.readFile('/greeting.txt', 'utf8')) // from here

await files.writeFile('/report.txt', 'done') // at local speed
await files.wait() // the remote has it
console.log(await remote.readFile('/report.txt', 'utf8'))
console.log(files.status('/report.txt').valid, files.counters.hits > 0, files.errors().length)
