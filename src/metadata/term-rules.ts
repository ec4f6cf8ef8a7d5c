/**
 * The terms of a metadata store: each opening of the store begins one, with a change in the log.
 * So a copy of the metadata that has applied that change knows the term, and its last term tells
 * which history it follows. A store that was restored from a backup begins another term at the same
 * number, and recognises copies that are ahead of it.
 */
import { metadataLimits } from './limits.ts'
import { change, many, one, type Rule } from './statement.ts'
import { skipNumbers, type Skips } from './volume-rules.ts'

export interface StoreTerm {
  /** Random. */
  id: string
  /** Number of the change that began the term. */
  first: number
}

const insertTerm = change('term.insertTerm', 'INSERT INTO term (id, first) VALUES (?, ?)')
const deleteTerms = change(
  'term.deleteTerms',
  `DELETE FROM term WHERE first < (SELECT MIN(first) FROM
  (SELECT first FROM term ORDER BY first DESC LIMIT ${metadataLimits.terms}) AS kept)`,
)
const selectLast = one<StoreTerm>('SELECT id, first FROM term ORDER BY first DESC LIMIT 1')
/** All terms, the oldest first. */
export const listTerms = many<StoreTerm>('SELECT id, first FROM term WHERE ? = 1 ORDER BY first')

/** The latest term of the store, or of a copy of it; undefined: it is of an earlier release. */
export function* lastTerm(): Rule<StoreTerm | undefined> {
  return yield* selectLast()
}

/** No node can use the numbers that are left out. */
export function* beginTerm({ id, first }: StoreTerm, skips: Skips): Rule<void> {
  yield* insertTerm(id, first)
  yield* deleteTerms()
  yield* skipNumbers(skips, '')
}
