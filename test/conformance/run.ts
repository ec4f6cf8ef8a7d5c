/**
 * `make conformance [CASE=...] [DIR=...]`: runs the cases with matching names in a directory of any
 * file system, compared with plain ext4 if this machine can mount an image of it. Exit status 1 if
 * a case deviates.
 */
import { Stage, type Transcript } from './stage.ts'
import { tables } from './tables.ts'
import { ext4 } from './targets.ts'
import { deviations } from './verdict.ts'

const { CASE: pattern = '', DIR: directory } = process.env
if (directory === undefined || directory === '') throw new Error('DIR names no directory')
if (process.getuid?.() !== 0) throw new Error('cases run as several users: only root can do that')
const wanted = new RegExp(pattern)
const cases = tables.flat().filter(({ name, afterCut }) => !afterCut && wanted.test(name))

await using reference = await ext4.open()
await using proving = new Stage(reference.directory)
await using stage = new Stage(directory)
let wrong = 0
for (const it of cases) {
  const proof: Transcript = await proving.play(it)
  const found = deviations(it, await stage.play(it), proof)
  console.log(`${found.length === 0 ? 'ok    ' : 'not ok'} ${it.name}`)
  for (const line of found) console.log(`         ${line}`)
  if (found.length > 0) wrong++
}
console.log(`${cases.length} cases, ${wrong} of them not as on ext4`)
process.exitCode = wrong === 0 ? 0 : 1
