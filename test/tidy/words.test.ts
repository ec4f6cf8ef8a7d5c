/**
 * Words that this project once used for things that the field has names for (docs/GLOSSARY.md):
 * refused in identifiers, file names and prose, so that they do not come back.
 */
import { test } from 'node:test'
import ts from 'typescript'
import { assertNone, codeFiles, parse, place, textFiles, walk } from './source-files.ts'

const THIS = 'test/tidy/words.test.ts'

/** Parts of identifiers, and what to write instead. */
const RETIRED_NAMES: readonly [RegExp, string][] = [
  [/keeper/i, 'metadata store'],
  [/^#?reigns?$|reign[A-Z]/, 'term, leadership'],
  [/undurable/i, 'pending upload'],
  [/unseen/i, 'untracked'],
  [/aside/i, 'pre-image'],
  [/^#?spares?([A-Z]|$)|Spares?[A-Z]/, 'preallocated file'],
  [/nameless/i, 'orphan'],
  [/hurry/i, 'expedite'],
  [/kernelWrit/i, 'passthrough write'],
  [/^is(Lent|Lasting)$|^markLent$|^lasting[A-Z]/, 'passthrough; persistent'],
  [/heldChunk|addHeld|deleteHeld/i, 'replica'],
  [/mapAhead/i, 'concurrentMap'],
  [/satisf(y|ies|ied)/i, 'resolve'],
  [
    /^#?(Blocked|Need|Outcome|Pressure|Pace|Turn|Reign|ChunkMemory|ChunkLoader)$/,
    'see the glossary',
  ],
]

/** Phrases of comments and documents. */
const RETIRED_PHRASES: readonly [RegExp, string][] = [
  [/\bkeepers?\b/i, 'metadata store, metadata coordinator'],
  [/\bset[- ]aside\b/i, 'pre-image'],
  [/\bspare files?\b/i, 'preallocated file'],
  [/\bundurable\b/i, 'pending upload'],
  [/\bnameless\b/i, 'orphan'],
  [/\bunseen (changes|writes)\b/i, 'untracked writes'],
  [/\bheld chunks?\b/i, 'replica'],
  [/\blent to the kernel\b/i, 'passthrough'],
  [/\bby way of memory\b/i, 'mmap'],
  [/\bput aside\b/i, 'ejected'],
  [/\bnodes? of (its|their) own\b/i, 'single-node volume'],
  [/\bmap[- ]ahead\b/i, 'concurrent map'],
  [/\blasting mount\b/i, 'mount handover'],
]

test('identifiers use the words of the field', () => {
  assertNone(
    codeFiles.flatMap((file) =>
      [...walk(parse(file))].flatMap((node) => {
        if (!ts.isIdentifier(node) && !ts.isPrivateIdentifier(node)) return []
        const found = RETIRED_NAMES.find(([name]) => name.test(node.text))
        return found === undefined ? [] : [`${place(node)}: ${node.text}: ${found[1]}`]
      }),
    ),
  )
})

test('files are named with the words of the field', () => {
  const retired = /(keeper|undurable|unseen|aside|spare|nameless|lasting|past)[.-]/
  assertNone(codeFiles.filter(({ path }) => retired.test(path)).map(({ path }) => path))
})

test('comments and documents use the words of the field', () => {
  assertNone(
    textFiles
      .filter(({ path }) => /\.(ts|md)$/.test(path) && path !== THIS)
      .flatMap(({ path, lines }) =>
        lines.flatMap((line, index) => {
          const found = RETIRED_PHRASES.find(([phrase]) => phrase.test(line))
          return found === undefined ? [] : [`${path}:${index + 1}: ${found[1]}: ${line.trim()}`]
        }),
      ),
  )
})
