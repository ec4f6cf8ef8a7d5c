/** Where this node records that the cloud has a chunk. */
import type { DurableMarks } from '../cache/upload/upload-finisher.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import type { CoordinatorLink } from './cluster/coordinator-link.ts'

/** Marks chunks as durable: in the local engine, or on the coordinator. */
export function marksOf(engine: MetadataEngine, link: CoordinatorLink | undefined): DurableMarks {
  if (!link) {
    return {
      durable: (ino, index, id, crc) => engine.write('markDurable', ino, index, id, crc),
      allDurable: (chunks) => engine.write('markAllDurable', chunks),
      discard: (ino, index, id) => engine.write('discard', ino, index, id),
    }
  }
  return {
    durable: async (...args) => link.perform('markDurable', args),
    allDurable: async (chunks) => link.perform('markAllDurable', [chunks]),
    discard: async (...args) => {
      await link.perform('discard', args)
    },
  }
}
