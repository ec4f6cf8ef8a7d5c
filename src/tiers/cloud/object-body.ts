/**
 * The body of an answer as one buffer, of exactly the length that was announced: a connection that
 * ends early must not look like a short object, nor a longer body get past what was allowed.
 */
import { FsError } from '../../base/fs-error.ts'

/** What came, and what is stored beside it. */
export interface ReadObject {
  data: Buffer
  metadata: Record<string, string> | undefined
}

export async function collect(body: AsyncIterable<Uint8Array>, length: number): Promise<Buffer> {
  const all = Buffer.allocUnsafeSlow(length)
  let filled = 0
  for await (const chunk of body) {
    if (filled + chunk.length > length) throw new FsError('EIO', `more than ${length} bytes came`)
    all.set(chunk, filled)
    filled += chunk.length
  }
  if (filled < length) throw new FsError('EIO', `only ${filled} of ${length} bytes came`)
  return all
}
