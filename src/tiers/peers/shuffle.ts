/**
 * Random order for cases in which any peer will do. The system's random numbers keep nodes that
 * started together, or share a clock, from all choosing the same peer.
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
