/** The units in systemd/: what they start is there, what they set is known, and times fit. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { limits } from '../../src/limits.ts'
import { ROOT } from '../tidy/source-files.ts'
import { knownVariables } from './known-variables.ts'
import { stopMs } from './stop-time.ts'

/** Any of these gives a service mounts of its own (systemd.exec(5)). */
const OWN_MOUNTS = /^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|Root|Temporary|Dynamic)/

const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  bin: Record<string, string>
}

/** `[Section]` and `Key=value`; a key may come again. */
function readUnit(name: string): Map<string, string[]> {
  const settings = new Map<string, string[]>()
  for (const line of readFileSync(join(ROOT, 'systemd', name), 'utf8').split('\n')) {
    if (/^(#.*|\[\w+\]|)$/.test(line)) continue
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? assert.fail(line)
    settings.set(key, [...(settings.get(key) ?? []), value])
  }
  return settings
}

for (const [program, file] of [
  ['coordinator', 'cachefs-coordinator.service'],
  ['client', 'cachefs-client@.service'],
] as const) {
  test(`${file} starts the program of the package and waits for its word`, () => {
    const unit = readUnit(file)
    assert.deepEqual(unit.get('Type'), ['notify'])
    // The supervisor alone is told to stop.
    assert.deepEqual(unit.get('KillMode'), ['mixed'])
    const [command = ''] = unit.get('ExecStart') ?? []
    assert.equal(bin[command], `bin/${program}`)
    const known = knownVariables(program)
    const variables = unit.get('Environment')?.flatMap((text) => text.split(' ')) ?? []
    for (const variable of variables) assert.ok(known.has(variable.split('=')[0] ?? ''), variable)
  })
}

test('a client’s mount is seen by everybody, and it has the time to drain', () => {
  const unit = readUnit('cachefs-client@.service')
  for (const key of unit.keys()) assert.doesNotMatch(key, OWN_MOUNTS)
  assert.ok(Number(unit.get('TimeoutStopSec')) * 1000 >= stopMs, `${stopMs} ms`)
  assert.ok(Number(unit.get('TimeoutStartSec')) * 1000 >= limits.snapshotMs)
})
