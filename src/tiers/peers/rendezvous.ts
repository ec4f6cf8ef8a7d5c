/**
 * Rendezvous hashing: every node computes the same owner for a key without communication, and keys
 * spread evenly. When a node joins or leaves, only the keys that it gains or had change their owner
 * (https://en.wikipedia.org/wiki/Rendezvous_hashing).
 *
 * Invariant: the result depends on the key and the set of ids, not on the order of the ids.
 */
import { hash } from 'node:crypto'

/** The id with the highest weight for this key; undefined if `ids` is empty. */
export function ownerOf(key: string, ids: Iterable<string>): string | undefined {
  let best: { id: string; weight: string } | undefined
  for (const id of ids) {
    // Not CRC: it is linear, so that one id would win over another for all keys or for none.
    const weight = hash('sha1', `${id}\0${key}`)
    const isBetter =
      best === undefined || weight > best.weight || (weight === best.weight && id > best.id)
    if (isBetter) best = { id, weight }
  }
  return best?.id
}
