/**
 * Any order, where any peer will do: from the system's random numbers, so that nodes that started
 * together, or know the clock, do not all turn to the same peer.
 */
import { randomInt } from 'node:crypto'

export function shuffled<T>(items: Iterable<T>): T[] {
  const all = [...items]
  for (let last = all.length - 1; last > 0; last--) {
    const other = randomInt(last + 1)
    const moved = all[last]!
    all[last] = all[other]!
    all[other] = moved
  }
  return all
}
