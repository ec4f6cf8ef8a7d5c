/**
 * A process with a journaled CacheFS that changes files and names until it is killed. It writes
 * a line of JSON before (`try`) and after (`did`) each operation, to a file: what is written to a
 * pipe may still be in the memory of the process when it is killed. On its output it reports that
 * it has begun.
 */
import { openSync, writeSync } from 'node:fs'
import { CacheFS } from '../../src/cachefs/cache-fs.ts'
import { LocalFS } from '../../src/filesystem/local/local-fs.ts'
import { Random } from '../fixtures/random.ts'

const [local = '', remote = '', steps = '', seed = '1'] = process.argv.slice(2)
const files = new CacheFS(new LocalFS(local), new LocalFS(remote), { journal: true, ttlMs: 50 })
const random = new Random(Number(seed))
const output = openSync(steps, 'w')
const say = (line: object): void => void writeSync(output, `${JSON.stringify(line)}\n`)
const names = Array.from({ length: 6 }, (_, i) => (i < 3 ? `/f${i}` : `/dir/f${i}`))

await files.mkdir('/dir', { recursive: true })
const known = new Set<string>()
for (const name of names) {
  await files.access(name).then(
    () => known.add(name),
    () => undefined,
  )
}
process.stdout.write('running\n')
for (let i = 0; ; i++) {
  const one = names[random.below(6)]!
  const two = names[random.below(6)]!
  const text = `${seed}-${i} `.repeat(1 + random.below(3000))
  const kind = known.has(one) ? random.below(7) : 0
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
  } else if (kind === 5) {
    const size = random.below(30_000)
    if ((await files.stat(one)).size < size) continue
    say({ try: 'truncate', one, size })
    await files.truncate(one, size)
    say({ did: 'truncate', one, size })
  } else if (kind === 6 && one !== two) {
    say({ try: 'copy', one, two })
    await files.copyFile(one, two)
    known.add(two)
    say({ did: 'copy', one, two })
  }
}
