/**
 * Operations of programs on several nodes on files, and a checker: the history must be that of one
 * register per file, at the granularity of open, use, close.
 *
 * - A read returns the complete content of one write. That write began before the read ended, and
 *   no later write that had ended before the read began replaced it. (A later write is one that
 *   began after the first had ended.)
 * - A failed write may have taken effect, or take effect later, until the same node replaces it.
 *
 * A read that returns parts of several versions is a violation if no write was concurrent with it.
 * If one was, each part must be of a version that a read of that part alone could return, and the
 * read is `torn`. On one node this is the behaviour of any local file system. Across nodes it
 * occurs when a read waits for a chunk, for instance of an offline node, and the next version is
 * committed before the wait ends. Torn reads are reported, but are no failure.
 */
export interface Operation {
  node: number
  kind: 'read' | 'write'
  file: string
  /** Undefined if a read failed; begins with MIXED if it returned parts of several writes. */
  value: string | undefined
  /** Time of a clock that all programs share, ms. */
  start: number
  end: number
  /** Error code, if it failed. */
  error?: string
  /** Its slowest system call. */
  slowest: { call: string; ms: number }
}

export const MIXED = 'mixed of '

export function mixOf(parts: readonly string[]): string {
  return MIXED + parts.join(', ')
}

/** Returns each violation as a sentence. */
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

/** Reads that are torn by writes on other nodes. */
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

/** Time after which a write can no longer replace anything. */
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
