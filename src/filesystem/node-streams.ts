/**
 * Node streams for file systems. `node:stream` is loaded when the first stream is created instead
 * of imported, because the same modules run in browsers, which do not have it.
 */
import type { Readable, Writable } from 'node:stream'
import type * as NodeStream from 'node:stream'
import { FsError } from '../base/fs-error.ts'
import type { FileHandle } from './file-handle.ts'
import type { StreamOptions } from './file-system.ts'

function nodeStream(): Pick<typeof NodeStream, 'Readable' | 'Writable'> {
  const node = (globalThis as { process?: NodeJS.Process }).process
  if (typeof node?.getBuiltinModule === 'function') return node.getBuiltinModule('node:stream')
  throw new FsError('ENOSYS', 'no Node streams available: use content() and writeFile()')
}

export function readableOf(
  pieces: () => AsyncIterable<Uint8Array>,
  { encoding, highWaterMark }: StreamOptions,
): Readable {
  const { Readable: Stream } = nodeStream()
  async function* buffers(): AsyncGenerator<Buffer> {
    for await (const { buffer, byteOffset, length } of pieces()) {
      yield Buffer.from(buffer as ArrayBuffer, byteOffset, length)
    }
  }
  return Stream.from(buffers(), {
    objectMode: false,
    ...(encoding === undefined ? {} : { encoding }),
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
  })
}

/**
 * The stream finishes when the file is closed, so an error of the close is an error of the stream.
 */
export function writableOf(
  open: () => Promise<FileHandle>,
  { start, highWaterMark }: StreamOptions,
): Writable {
  const { Writable: Stream } = nodeStream()
  let handle: FileHandle | undefined
  let position = start
  const write = async (chunk: Buffer): Promise<void> => {
    await handle?.write(chunk, 0, chunk.length, position)
    if (position !== undefined) position += chunk.length
  }
  return new Stream({
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    construct: (done) => {
      open().then((opened) => {
        handle = opened
        done()
      }, done)
    },
    write: (chunk: Buffer, _encoding, done) => void write(chunk).then(() => done(), done),
    final: (done) => void (handle?.close() ?? Promise.resolve()).then(() => done(), done),
    destroy: (error, done) => {
      const closed = handle?.close() ?? Promise.resolve()
      closed.then(
        () => done(error),
        (failed: unknown) => done(error ?? (failed as Error)),
      )
    },
  })
}
