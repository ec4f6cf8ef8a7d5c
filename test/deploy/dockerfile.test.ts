/** The Dockerfile: what it copies is there and not held back, and enough to run the programs. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../tidy/source-files.ts'

const read = (name: string): string[] =>
  readFileSync(join(ROOT, name), 'utf8')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => !/^(#|$)/.test(line))

const lines = read('Dockerfile')
const copies = lines.flatMap((line) => {
  const [, from, paths] = /^COPY (?:--from=(\S+) )?(.+)$/.exec(line) ?? []
  if (paths === undefined) return []
  const sources = paths.split(/\s+/)
  return [{ from, target: sources.pop()!, sources }]
})

test('images have plain names, of a Node that is new enough', () => {
  const images = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? [])
  assert.equal(images.length, 2)
  assert.equal(new Set(images).size, 1, 'built on what it runs on')
  const [, major] = /^node:(\d+)-[a-z]+-slim$/.exec(images[0]!) ?? []
  assert.ok(Number(major) >= 24, images[0]!)
})

test('what comes from the checkout is there, and passes .dockerignore', () => {
  const [everything, ...allowed] = read('.dockerignore')
  assert.equal(everything, '*')
  const fromHere = copies.filter(({ from }) => from === undefined).flatMap((it) => it.sources)
  for (const source of fromHere) {
    assert.ok(existsSync(join(ROOT, source)), source)
    assert.ok(allowed.includes(`!${source}`), `${source} is held back`)
  }
  const named = allowed.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  assert.deepEqual(named.sort(), [...new Set(fromHere)].sort(), 'nothing is let in for nobody')
})

test('the image has all that the package has and runs by', () => {
  const { files, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[]
    bin: Record<string, string>
  }
  const final = copies.filter(({ target }) => target.startsWith('/cachefs'))
  const there = final.flatMap(({ sources }) => sources.map((it) => it.replace('/cachefs/', '')))
  const needed = [...files.filter((name) => !/^(docs|systemd)$|\.md$/.test(name)), 'node_modules']
  for (const name of [...needed, 'package.json']) assert.ok(there.includes(name), name)
  const text = lines.join('\n')
  assert.match(text, /PATH=\/cachefs\/bin:\$PATH/)
  const [, command = ''] = /^CMD \["(\w+)"\]$/m.exec(text) ?? []
  assert.ok(Object.values(bin).includes(`bin/${command}`), command)
  assert.match(text, /apt-get install .*\bmount\b/)
})
