/** Runs in a browser: uses a cache in memory for a server, and shows the results as page text. */
import { CacheFS, HttpFS, MemoryFS } from '../../src/browser.ts'

declare const document: { title: string; body: { textContent: string } }

async function run(): Promise<string> {
  const remote = new HttpFS(new URL('/files', import.meta.url).href)
  const files = new CacheFS(new MemoryFS(), remote)
  const text = await files.readFile('/greeting.txt', 'utf8')
  const memory = new CacheFS(new MemoryFS(), new MemoryFS(), { journal: true })
  await memory.mkdir('/dir')
  await memory.writeFile('/dir/file', text)
  await memory.rename('/dir', '/moved')
  await memory.wait()
  const back = await memory.readFile('/moved/file', 'utf8')
  await memory.close()
  return `${text} ${back} ${files.status('/greeting.txt').cached}`
}

document.body.textContent = await run().catch((error: unknown) => `failed: ${String(error)}`)
