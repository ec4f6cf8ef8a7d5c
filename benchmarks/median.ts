/**
 * The typical one of several measurements, which one slow round does not move: of an even number
 * the higher of the two in the middle.
 */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
