/**
 * What makes an object in a directory last: its bytes written to a new file, synced and read back.
 * Most objects are small, and then these calls are what an upload costs: they are made on plain
 * descriptors, at half the cost of file handles.
 *
 * Invariant: nothing here holds up the thread, since the directory may be a mount whose server is
 * away.
 */
import { close, fsync, open, read, write } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { abortError } from '../../../base/abort.ts'
import { BufferPool } from '../../../base/buffer-pool.ts'
import { FsError } from '../../../base/fs-error.ts'

const openFile = promisify(open)
const readFrom = promisify(read)
const writeTo = promisify(write)
const syncFile = promisify(fsync)
const closeFile = promisify(close)

/** Bytes written, or read back, at a time. */
const STEP_BYTES = 1024 * 1024
/** What is read back of objects that take a considerable part of it. */
const parts = new BufferPool(STEP_BYTES)

/** Makes a file that was not there. When it fails, part of the file may be left. */
export async function writeVerified(
  path: string,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  // It may hold what only its owner may read in the volume.
  const fd = await openFile(path, 'wx+', 0o600)
  try {
    for (let done = 0; done < data.length;) {
      if (signal?.aborted) throw abortError(signal)
      const step = Math.min(STEP_BYTES, data.length - done)
      done += (await writeTo(fd, data, done, step, done)).bytesWritten
    }
    await syncFile(fd)
    if ((await crcOf(fd, data.length, signal)) !== crc32(data)) {
      throw new FsError('EIO', 'what was written reads back differently')
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
    if (bytesRead === 0) throw new FsError('EIO', 'the file became shorter while it was read')
    crc = crc32(part.subarray(0, bytesRead), crc)
    done += bytesRead
  }
  return crc
}
