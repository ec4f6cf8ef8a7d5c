/**
 * Range requests (RFC 9110, section 14): the byte ranges of a file that a header asks for. A header
 * that cannot be parsed is ignored, as the RFC requires. A header with no range inside the file is
 * unsatisfiable.
 */
import { filesystemLimits } from '../../limits.ts'

export interface ByteRange {
  start: number
  /** Last byte, inclusive. */
  end: number
}

/** Ranges within `size`. Undefined: send the whole file. Empty: no range lies in the file. */
export function parseRanges(header: string | undefined, size: number): ByteRange[] | undefined {
  const list = /^bytes=(.+)$/i.exec(header?.trim() ?? '')?.[1]
  if (list === undefined) return undefined
  const specs = list.split(',').map((spec) => spec.trim())
  if (specs.length > filesystemLimits.rangesPerRequest) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const match = /^(\d*)-(\d*)$/.exec(spec)
    if (match === null || spec === '-') return undefined
    const range = resolve(match[1] ?? '', match[2] ?? '', size)
    if (range === 'malformed') return undefined
    if (range) ranges.push(range)
  }
  return merged(ranges)
}

/**
 * Merges ranges that overlap or touch (section 15.3.7.2), in the order of the request, so that no
 * response has more bytes than the file.
 */
function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const result: ByteRange[] = []
  for (const range of ranges) {
    let { start, end } = range
    for (let i = result.length - 1; i >= 0; i--) {
      const other = result[i]!
      if (other.start > end + 1 || start > other.end + 1) continue
      start = Math.min(start, other.start)
      end = Math.max(end, other.end)
      result.splice(i, 1)
      i = result.length
    }
    result.push({ start, end })
  }
  return result
}

function resolve(first: string, last: string, size: number): ByteRange | 'malformed' | undefined {
  if (first === '') {
    const suffix = Number(last)
    return suffix === 0 || size === 0
      ? undefined
      : { start: Math.max(0, size - suffix), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return 'malformed'
  return start >= size ? undefined : { start, end }
}

export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}
