/** Maps a file for reading while a callback runs: mmap(2), which Node lacks. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load(null)
const mmap = libc.func(
  'void *mmap(void *at, size_t size, int how, int flags, int fd, int64_t from)',
)
const munmap = libc.func('int munmap(void *at, size_t size)')
const [PROT_READ, MAP_SHARED] = [1, 1]
const MAP_FAILED = 0xffff_ffff_ffff_ffffn

export function withMapped(path: string, sizeBytes: number, use: (bytes: Buffer) => void): void {
  const fd = openSync(path, 'r')
  try {
    const at: unknown = mmap(null, sizeBytes, PROT_READ, MAP_SHARED, fd, 0)
    if (koffi.address(at) === MAP_FAILED) throw new Error(`${path} cannot be mapped`)
    try {
      use(Buffer.from(koffi.view(at, sizeBytes)))
    } finally {
      munmap(at, sizeBytes)
    }
  } finally {
    closeSync(fd)
  }
}
