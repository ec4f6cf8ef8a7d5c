/**
 * Rendezvous hashing: every node finds the same home for a key without asking anybody, keys spread
 * evenly, and when a node comes or goes only the keys move that it gains or had
 * (https://en.wikipedia.org/wiki/Rendezvous_hashing).
 *
 * Invariant: the answer depends on the key and on the set of ids, not on their order.
 */
import { hash } from 'node:crypto'

/** The id with the highest weight for this key; undefined where there are none. */
export function homeOf(key: string, ids: Iterable<string>): string | undefined {
  let best: { id: string; weight: string } | undefined
  for (const id of ids) {
    // Not a CRC: it is linear, one id would win over another for every key or for none.
    const weight = hash('sha1', `${id}\0${key}`)
    const isBetter =
      best === undefined || weight > best.weight || (weight === best.weight && id > best.id)
    if (isBetter) best = { id, weight }
  }
  return best?.id
}
