/**
 * What programs on several nodes did to files and what came of it, and whether that is what one
 * register per file would have done, at the granularity of open, use, close:
 *
 * - A read gives the content of one write, whole; of one that had begun before the read ended, and
 *   that no other write, begun after that one had ended, had replaced when the read began.
 * - A write that failed may have taken effect, or do so later, until the same node replaces it.
 *
 * A read that gives parts of several versions is a violation where no write went on beside it.
 * Where one did, each part has to be of a version that a read of it alone might have given, and
 * the read is `torn`: on one node it is as on any local file system; across nodes it happens when a
 * read waits for a chunk, for instance of a node that is away, and the next version is committed
 * before the wait ends. That is told, not failed.
 */
export interface Operation {
  node: number
  kind: 'read' | 'write'
  file: string
  /** Undefined where a read failed; begins with MIXED where it gave parts of several writes. */
  value: string | undefined
  /** Of a clock that all programs share, ms. */
  start: number
  end: number
  /** Code of the error that it ended with. */
  error?: string
  /** The system call of it that took longest. */
  slowest: { call: string; ms: number }
}

export const MIXED = 'mixed of '

export function mixOf(parts: readonly string[]): string {
  return MIXED + parts.join(', ')
}

/** Each violation as a sentence. */
export function violations(history: readonly Operation[]): string[] {
  const found: string[] = []
  for (const file of new Set(history.map((operation) => operation.file))) {
    const of = history.filter((operation) => operation.file === file)
    const writes = of.filter(({ kind }) => kind === 'write')
    for (const read of of) {
      if (read.kind === 'write' || read.value === undefined) continue
      const wrong = wrongIn(read, writes)
      if (wrong !== undefined) found.push(`${describe(read)}: ${wrong}`)
    }
  }
  return found
}

function wrongIn(read: Operation, writes: readonly Operation[]): string | undefined {
  if (isMixed(read)) {
    const parts = read.value!.slice(MIXED.length).split(', ')
    const sources = writes.filter(({ value }) => parts.includes(value!))
    if (!isBeside(read, writes)) return `a mix of ${sources.map(describe).join(' and ')}`
    return parts.map((value) => wrongIn({ ...read, value }, writes)).find((it) => it !== undefined)
  }
  const source = writes.find(({ value }) => value === read.value)
  if (source === undefined) return 'nobody wrote this'
  if (source.start > read.end) return `not yet written: ${describe(source)}`
  const over = lastEffect(source, writes)
  const later = writes.find((write) => {
    return write.error === undefined && write.start > over && write.end < read.start
  })
  return later === undefined ? undefined : `replaced by ${describe(later)}`
}

/** Reads on one node that are torn by writes on others. */
export function torn(history: readonly Operation[]): Operation[] {
  return history.filter((read) => {
    const writes = history.filter(({ kind, file }) => kind === 'write' && file === read.file)
    const own = writes.filter(({ node }) => node === read.node)
    return isMixed(read) && isBeside(read, writes) && !isBeside(read, own)
  })
}

function isMixed({ kind, value }: Operation): boolean {
  return kind === 'read' && value?.startsWith(MIXED) === true
}

function isBeside(read: Operation, writes: readonly Operation[]): boolean {
  return writes.some((write) => {
    return write.start < read.end && lastEffect(write, writes) > read.start
  })
}

/** After which a write can no longer replace anything. */
function lastEffect(write: Operation, writes: readonly Operation[]): number {
  if (write.error === undefined) return write.end
  const next = writes.filter(({ node, error, start }) => {
    return node === write.node && error === undefined && start >= write.end
  })
  return Math.min(...next.map(({ end }) => end), Infinity)
}

export function describe({ node, kind, file, value, start, end, error }: Operation): string {
  const when = `${start.toFixed(1)} to ${end.toFixed(1)}`
  return `${kind} of ${file} on n${node}, ${when}: ${error ?? value}`
}
