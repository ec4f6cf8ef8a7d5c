/**
 * Many files open at once, each of which is read, or written and committed. They are large enough
 * for passthrough. The data that is read is checked.
 */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ClientHome, ClientProcess } from '../../test/fixtures/client-process.ts'
import { Random } from '../../test/fixtures/random.ts'
import { dropKernelCaches } from '../kernel-caches.ts'
import { MEMORY, memoryOf, printHead, printRow, typical } from './figures.ts'

const COUNTS = [10, 100, 1000]
const FILE_BYTES = 256 << 10

export async function printOpenFilesTable(): Promise<void> {
  const reading = ['open to read', 'read 256 KiB', 'close']
  const writing = ['open to write', 'write 256 KiB', 'close with commit']
  printHead('open at once', ...reading, ...writing, ...MEMORY)
  for (const count of COUNTS) await row(count)
}

async function row(count: number): Promise<void> {
  using home = new ClientHome()
  const node = await ClientProcess.start(home)
  const contents = [1, 2].map((seed) => new Random(seed).bytes(FILE_BYTES))
  const path = (at: number): string => join(home.mount, `file-${at}`)
  for (let at = 0; at < count; at++) writeFileSync(path(at), contents[0]!)
  await node.act('wait', '/')
  await dropKernelCaches('pages and names')
  const target = Buffer.alloc(FILE_BYTES)
  const fds: number[] = []
  const open = (flags: string): string => {
    return typical(count, (at) => (fds[at] = openSync(path(at), flags)))
  }
  const close = (): string => typical(count, (at) => closeSync(fds[at]!))
  const read = (expected: Buffer): string => {
    return typical(count, (at) => {
      readSync(fds[at]!, target, 0, FILE_BYTES, 0)
      if (!target.equals(expected)) throw new Error(`other bytes are in ${path(at)}`)
    })
  }
  const reading = [open('r'), read(contents[0]!), close()]
  const write = (): string => {
    return typical(count, (at) => writeSync(fds[at]!, contents[1]!, 0, FILE_BYTES, 0))
  }
  const writing = [open('r+'), write(), close()]
  open('r')
  read(contents[1]!)
  close()
  printRow(count, ...reading, ...writing, ...memoryOf(node))
  await node.stop()
}
