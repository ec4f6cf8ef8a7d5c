/**
 * What `work` makes of each item, in the order of the items, with so many under way at once. Who
 * stops early waits for those, and hears of no failure behind the one that stopped it.
 */
export async function* mapAhead<T, R>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const ahead: Promise<R>[] = []
  try {
    for await (const item of items) {
      const result = work(item)
      // It comes up when its turn does.
      result.catch(() => undefined)
      if (ahead.push(result) >= width) yield await ahead.shift()!
    }
    while (ahead.length > 0) yield await ahead.shift()!
  } finally {
    await Promise.allSettled(ahead)
  }
}
