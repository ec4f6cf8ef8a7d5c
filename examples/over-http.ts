// One process exports a file system, another caches it: here both in one.
import { CacheFS, FileServer, HttpFS, MemoryFS } from '../src/index.ts'

const origin = new MemoryFS()
await origin.mkdir('/data')
await origin.writeFile('/data/numbers.csv', '1,2,3\n')

await using server = await FileServer.listen(origin, { port: 0 })
const remote = new HttpFS(server.url, { operations: true })
await using files = new CacheFS(new MemoryFS(), remote, {
  ttlMs: 1000,
  staleIfErrorMs: 3_600_000,
  conflict: 'keep both',
})
files.on('error', ({ operation, path, cause }) => console.error(operation, path, cause))

await files.appendFile('/data/numbers.csv', '4,5,6\n')
await files.wait()
console.log(await origin.readFile('/data/numbers.csv', 'utf8'))
