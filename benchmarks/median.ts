/**
 * Median of several measurements, which one slow round does not change. For an even number, it is
 * the higher of the two middle ones.
 */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
