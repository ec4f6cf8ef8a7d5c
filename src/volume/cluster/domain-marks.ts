/**
 * What the threads of a node must know of domains (metadata/domain-rules.ts), in memory that all
 * share: which domains the node has dropped, and which are exclusive to it.
 *
 * Invariants: domains that were dropped share counters, so a mark may be that of another domain,
 * but none is missing; only the main thread writes them. The exclusive domains are exact; they are
 * written under the lock of the metadata database, and so read by a transaction that relies on one.
 */
import { volumeLimits } from '../limits.ts'

const EMPTY = 0n
/** Was deleted: a search goes on behind it. */
const GONE = -1n

export class DomainMarks {
  readonly memory: DomainMarksMemory
  readonly #dropped: Int32Array<SharedArrayBuffer>
  readonly #exclusive: BigInt64Array<SharedArrayBuffer>

  constructor(memory = newMemory()) {
    this.memory = memory
    this.#dropped = new Int32Array(memory.dropped)
    this.#exclusive = new BigInt64Array(memory.exclusive)
  }

  drop(domain: number): void {
    Atomics.add(this.#dropped, domain % volumeLimits.domainMarks, 1)
  }

  rely(domain: number): void {
    Atomics.sub(this.#dropped, domain % volumeLimits.domainMarks, 1)
  }

  mayBeDropped(domain: number): boolean {
    return Atomics.load(this.#dropped, domain % volumeLimits.domainMarks) > 0
  }

  /** False if there is no room. */
  addExclusive(domain: number): boolean {
    if (this.isExclusive(domain)) return true
    for (const at of places(domain)) {
      const found = Atomics.load(this.#exclusive, at)
      if (found !== EMPTY && found !== GONE) continue
      Atomics.store(this.#exclusive, at, BigInt(domain))
      return true
    }
    return false
  }

  endExclusive(domain: number): void {
    const at = this.#find(domain)
    if (at !== undefined) Atomics.store(this.#exclusive, at, GONE)
  }

  isExclusive(domain: number): boolean {
    return this.#find(domain) !== undefined
  }

  /** Number of probes is bounded, so it is a search of constant time. */
  #find(domain: number): number | undefined {
    const wanted = BigInt(domain)
    for (const at of places(domain)) {
      const found = Atomics.load(this.#exclusive, at)
      if (found === wanted) return at
      if (found === EMPTY) return undefined
    }
    return undefined
  }

  listExclusive(): number[] {
    const found: number[] = []
    for (const domain of this.#exclusive) {
      if (domain !== EMPTY && domain !== GONE) found.push(Number(domain))
    }
    return found
  }
}

export interface DomainMarksMemory {
  dropped: SharedArrayBuffer
  exclusive: SharedArrayBuffer
}

function newMemory(): DomainMarksMemory {
  return {
    dropped: new SharedArrayBuffer(volumeLimits.domainMarks * 4),
    exclusive: new SharedArrayBuffer(volumeLimits.exclusivePlaces * 8),
  }
}

function* places(domain: number): Generator<number> {
  for (let probe = 0; probe < volumeLimits.exclusiveProbes; probe++) {
    yield (domain + probe) % volumeLimits.exclusivePlaces
  }
}
