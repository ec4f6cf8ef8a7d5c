/**
 * Concurrent map that yields the results of `work` in the order of the items, with at most `width`
 * calls running. If the consumer stops early, it waits for the running calls; failures of items
 * after the one that stopped it are ignored.
 */
export async function* concurrentMap<T, R>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const ahead: Promise<R>[] = []
  try {
    for await (const item of items) {
      const result = work(item)
      // The rejection is handled when the result is yielded.
      result.catch(() => undefined)
      if (ahead.push(result) >= width) yield await ahead.shift()!
    }
    while (ahead.length > 0) yield await ahead.shift()!
  } finally {
    await Promise.allSettled(ahead)
  }
}
