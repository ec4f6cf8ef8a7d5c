/**
 * A sparse file of 200 GB beside one of 2 GB with the same amount of data: the cost depends on the
 * data that is written, not on the size. SEEK_DATA and SEEK_HOLE, and the data that is read, are
 * checked.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SEEK_DATA, SEEK_HOLE, seekSparse } from '../../src/base/native-calls.ts'
import { openDatabase } from '../../src/base/sqlite-database.ts'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { Random } from '../../test/fixtures/random.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MEMORY, memoryOf, printHead, printRow, typical } from './figures.ts'

const SIZES = [2e9, 200e9]
const PIECES = 100
const PIECE_BYTES = 4096

export async function printSparseTable(): Promise<void> {
  const work = ['write 4 KiB', 'fsync', 'read 4 KiB', 'read 4 KiB of a hole']
  const seeks = ['seek to data', 'seek to a hole', 'stat', 'remove']
  printHead('size', ...work, ...seeks, 'chunks', 'blocks here', ...MEMORY)
  for (const size of SIZES) await row(size)
}

async function row(size: number): Promise<void> {
  using home = new ClientHome()
  const node = await ClientProcess.start(home)
  const path = join(home.mount, 'sparse')
  const content = new Random(1).bytes(PIECE_BYTES)
  const target = Buffer.alloc(PIECE_BYTES)
  // The last piece ends at the end of the file; the holes before the pieces are equal in size.
  const pitch = size / PIECES
  const place = (at: number): number => (at + 1) * pitch - PIECE_BYTES
  let fd = openSync(path, 'w+')
  const cells = [
    typical(PIECES, (at) => writeSync(fd, content, 0, PIECE_BYTES, place(PIECES - 1 - at))),
    typical(1, () => fsyncSync(fd)),
  ]
  closeSync(fd)
  await dropKernelCaches('pages and names')
  fd = openSync(path, 'r')
  const read = (at: number, expected: Buffer): void => {
    readSync(fd, target, 0, PIECE_BYTES, at)
    if (!target.equals(expected)) throw new Error(`other bytes are read at ${at}`)
  }
  const zeros = Buffer.alloc(PIECE_BYTES)
  const seek = (from: number, whence: number, isRight: (at: number) => boolean): void => {
    const at = seekSparse(fd, from, whence)
    if (!isRight(at)) throw new Error(`from ${from} it leads to ${at}`)
  }
  cells.push(
    typical(PIECES, (at) => read(place(at), content)),
    typical(PIECES, (at) => read(place(at) - pitch / 2, zeros)),
    typical(PIECES, (at) => {
      seek(place(at) - pitch / 2, SEEK_DATA, (found) => found <= place(at) && found >= 0)
    }),
    typical(PIECES, (at) => seek(place(at), SEEK_HOLE, (found) => found > place(at))),
    typical(PIECES, () => {
      if (fstatSync(fd).size !== size) throw new Error('it has another size')
    }),
  )
  const blocks = `${((fstatSync(fd).blocks * 512) / 2 ** 20).toFixed(1)} MiB`
  const chunks = chunksIn(home)
  closeSync(fd)
  await node.act('wait', '/sparse')
  cells.push(typical(1, () => rmSync(path)))
  printRow(`${size / 1e9} GB`, ...cells, chunks, blocks, ...memoryOf(node))
  await node.stop()
}

function chunksIn(home: ClientHome): number {
  using database = openDatabase(join(home.nvme, 'volume.db'))
  return Number(database.prepare('SELECT COUNT(*) AS count FROM chunk').get()!['count'])
}
