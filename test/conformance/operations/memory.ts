/** Operations on memory-mapped files. */
import { bytesOf, numberOf, textOf } from '../bytes.ts'
import { mmap, msync, munmap } from '../system-calls.ts'
import type { Operations } from './operation.ts'

const PROTECTIONS: Readonly<Record<string, number>> = { read: 1, write: 3 }
const FLAGS: Readonly<Record<string, number>> = { shared: 1, private: 2 }

export const memory: Operations = {
  /** mmap MAP FILE read|write shared|private SIZE [OFFSET] */
  mmap(process, [map, file, protection, flags, size, offset = '0']) {
    const [prot, how] = [PROTECTIONS[protection!]!, FLAGS[flags!]!]
    const fd = process.file(file)
    process.mappings.set(map!, mmap(numberOf(size), prot, how, fd, numberOf(offset)))
    return undefined
  },
  /** load MAP OFFSET SIZE */
  load(process, [map, offset, size]) {
    const at = numberOf(offset)
    return textOf(Buffer.from(process.mapping(map).bytes.subarray(at, at + numberOf(size))))
  },
  /** store MAP OFFSET BYTES */
  store(process, [map, offset, text]) {
    process.mapping(map).bytes.set(bytesOf(text!), numberOf(offset))
    return undefined
  },
  msync(process, [map]) {
    msync(process.mapping(map))
    return undefined
  },
  munmap(process, [map]) {
    munmap(process.mapping(map))
    process.mappings.delete(map!)
    return undefined
  },
}
