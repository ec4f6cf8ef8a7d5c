/**
 * A process with a journaled CacheFS that writes, renames and removes until it is killed. It prints
 * a line of JSON before (`try`) and after (`did`) each operation.
 */
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { Random } from '../fixtures/random.ts'

const [local = '', remote = '', seed = '1'] = process.argv.slice(2)
const files = new CacheFS(new LocalFS(local), new LocalFS(remote), { journal: true, ttlMs: 50 })
const random = new Random(Number(seed))
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const names = Array.from({ length: 6 }, (_, i) => (i < 3 ? `/f${i}` : `/dir/f${i}`))

await files.mkdir('/dir', { recursive: true })
const known = new Set<string>()
for (const name of names) {
  await files.access(name).then(
    () => known.add(name),
    () => undefined,
  )
}
for (let i = 0; ; i++) {
  const one = names[random.below(6)]!
  const two = names[random.below(6)]!
  const text = `${seed}-${i} `.repeat(1 + random.below(3000))
  const kind = known.has(one) ? random.below(5) : 0
  if (kind <= 2) {
    say({ try: 'write', one, text })
    await files.writeFile(one, text)
    known.add(one)
    say({ did: 'write', one, text })
  } else if (kind === 3 && one !== two) {
    say({ try: 'rename', one, two })
    await files.rename(one, two)
    known.delete(one)
    known.add(two)
    say({ did: 'rename', one, two })
  } else if (kind === 4) {
    say({ try: 'unlink', one })
    await files.unlink(one)
    known.delete(one)
    say({ did: 'unlink', one })
  }
}
