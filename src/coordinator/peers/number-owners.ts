/**
 * Owners of reserved numbers (inodes, chunk ids, positions of directory entries): a node can use
 * only its own numbers for new inodes, entries and contents. In memory; the ranges are also in the
 * metadata, written by the transaction that reserves them (metadata/volume-rules.ts), so the next
 * leader has them.
 *
 * Invariants: the ranges of a counter are in order, and numbers are handed out in order. A number
 * that was not reserved is refused; one that was handed out before ranges were recorded is accepted
 * from any node.
 */
import { FsError } from '../../base/fs-error.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import type { OperationArgs, OperationName } from '../../metadata/operations.ts'
import { lastNumber, numberRanges } from '../../metadata/volume-rules.ts'
import type { CounterName, NumberRange } from '../../metadata/volume-rules.ts'
import type { MetadataStore } from '../metadata-store.ts'

type Range = Pick<NumberRange, 'first' | 'last' | 'node'>

const COUNTERS = ['inode', 'chunk', 'entry'] as const
const NAMES = { inode: 'inode', chunk: 'chunk', entry: 'place in a directory' } as const

export class NumberOwners {
  readonly #ranges: Record<CounterName, Range[]> = { inode: [], chunk: [], entry: [] }
  /** The last number that was handed out. */
  readonly #last: Record<CounterName, number> = { inode: 0, chunk: 0, entry: 0 }

  readonly #isSame: (one: string, other: string) => boolean

  private constructor(isSame: (one: string, other: string) => boolean) {
    this.#isSame = isSame
  }

  /** `isSame`: whether two ids are, or were, those of one node. */
  static async open(
    store: MetadataStore,
    isSame: (one: string, other: string) => boolean,
  ): Promise<NumberOwners> {
    const owners = new NumberOwners(isSame)
    for (const counter of COUNTERS) await owners.#load(store, counter)
    return owners
  }

  async #load(store: MetadataStore, counter: CounterName): Promise<void> {
    this.#last[counter] = await store.read(() => lastNumber(counter))
    const ranges = this.#ranges[counter]
    for (let after = 0; ;) {
      const page = await store.read(() => numberRanges(counter, after, metadataLimits.storePage))
      for (const { first, last, node } of page) ranges.push({ first, last, node })
      const end = page.at(-1)
      if (end === undefined) return
      after = end.last
    }
  }

  /** Records a range of a node; a repeated call has no effect. */
  note(counter: CounterName, first: number, count: number, node: string): void {
    if (first <= this.#last[counter]) return
    const last = first + count - 1
    const end = this.#ranges[counter].at(-1)
    if (end?.node === node && end.last === first - 1) end.last = last
    else this.#ranges[counter].push({ first, last, node })
    this.#last[counter] = last
  }

  /** EACCES if an operation of a node uses numbers that are not its own. */
  check<K extends OperationName>(node: string, name: K, args: OperationArgs<K>): void {
    for (const [counter, number] of numbersOf(name, args)) this.#checkOne(node, counter, number)
  }

  #checkOne(node: string, counter: CounterName, number: number): void {
    const range = this.#find(counter, number)
    if (range === undefined ? number <= this.#last[counter] : this.#isSame(range.node, node)) return
    const owner = range === undefined ? 'nobody' : `node ${range.node}`
    throw new FsError('EACCES', `${NAMES[counter]} ${number} was reserved by ${owner}, not ${node}`)
  }

  #find(counter: CounterName, number: number): Range | undefined {
    const ranges = this.#ranges[counter]
    let [low, high] = [0, ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ranges[middle]!.last < number) low = middle + 1
      else high = middle
    }
    const range = ranges[low]
    return range !== undefined && range.first <= number ? range : undefined
  }
}

/** The numbers that an operation uses for the first time. */
function numbersOf(name: OperationName, args: readonly unknown[]): [CounterName, number][] {
  switch (name) {
    case 'create': {
      const [, , { ino, seq }] = args as OperationArgs<'create'>
      return [
        ['inode', ino],
        ['entry', seq],
      ]
    }
    case 'createOrphan':
      return [['inode', (args as OperationArgs<'createOrphan'>)[1].ino]]
    case 'link':
      return [['entry', (args as OperationArgs<'link'>)[3]]]
    case 'rename':
      return [['entry', (args as OperationArgs<'rename'>)[2].seq]]
    case 'commitContent':
      return chunksOf((args as OperationArgs<'commitContent'>)[1].chunks)
    case 'commitContents':
      return (args as OperationArgs<'commitContents'>)[0].flatMap(({ commit }) =>
        chunksOf(commit.chunks),
      )
    default:
      return []
  }
}

function chunksOf(chunks: readonly { id: number }[]): [CounterName, number][] {
  return chunks.map(({ id }) => ['chunk', id])
}
