/**
 * Writes an object to a new file, syncs the file, and reads it back to check its CRC-32. Most
 * objects are small and these calls are most of the cost of an upload, so they use plain
 * descriptors at half the cost of file handles.
 *
 * Invariant: no call blocks the thread, because the directory may be a mount whose server is
 * unreachable.
 */
import { close, fsync, open, read, write } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { abortError } from '../../../base/async/abort.ts'
import { BufferPool } from '../../../base/buffer-pool.ts'
import { FsError } from '../../../base/fs-error.ts'

const openFile = promisify(open)
const readFrom = promisify(read)
const writeTo = promisify(write)
const syncFile = promisify(fsync)
const closeFile = promisify(close)

/** Bytes per read or write call. */
const STEP_BYTES = 1024 * 1024
/** Buffers for reading back objects larger than 1/16 of STEP_BYTES. */
const parts = new BufferPool(STEP_BYTES)

/** Creates the file; fails if it exists. A failure may leave a partial file. */
export async function writeVerified(
  path: string,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  // The object may hold data that only its owner may read in the volume.
  const fd = await openFile(path, 'wx+', 0o600)
  try {
    for (let done = 0; done < data.length;) {
      if (signal?.aborted) throw abortError(signal)
      const step = Math.min(STEP_BYTES, data.length - done)
      done += (await writeTo(fd, data, done, step, done)).bytesWritten
    }
    await syncFile(fd)
    if ((await crcOf(fd, data.length, signal)) !== crc32(data)) {
      throw new FsError('EIO', 'the file reads back differently from what was written')
    }
    if (signal?.aborted) throw abortError(signal)
  } finally {
    await closeFile(fd)
  }
}

async function crcOf(fd: number, length: number, signal: AbortSignal | undefined): Promise<number> {
  using borrowed = length > STEP_BYTES / 16 ? parts.take() : undefined
  const part = borrowed?.memory ?? Buffer.allocUnsafe(length)
  let crc = 0
  for (let done = 0; done < length;) {
    if (signal?.aborted) throw abortError(signal)
    const step = Math.min(part.length, length - done)
    const { bytesRead } = await readFrom(fd, part, 0, step, done)
    if (bytesRead === 0) throw new FsError('EIO', 'the file was truncated while it was read')
    crc = crc32(part.subarray(0, bytesRead), crc)
    done += bytesRead
  }
  return crc
}
