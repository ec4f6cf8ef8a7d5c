/**
 * Makes `close` and `fsync` wait until a file has the durability of its directory
 * (metadata/durability.ts). Only chunks that this node committed and that are not durable are
 * checked; a file without pending uploads costs one lookup.
 */
import { NotStarted } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import type { WaitCondition } from '../../cache/waiting/wait-condition.ts'
import type { SharedState } from '../../cache/state/shared-state.ts'
import type { UploadJournal } from '../../cache/upload/upload-journal.ts'
import type { ChunkIndex } from '../../cache/state/chunk-index.ts'
import { cacheLimits } from '../../cache/limits.ts'
import {
  copiesOf,
  durabilityOf,
  parseDurability,
  type Durability,
} from '../../metadata/durability.ts'
import { S_IFDIR, S_IFMT, getInode } from '../../metadata/inode-rules.ts'
import type { MetadataEngine } from '../../metadata/metadata-engine.ts'

export interface DurabilityGateParts {
  engine: MetadataEngine
  shared: SharedState
  uploads: UploadJournal
  index: ChunkIndex
  /** Default, where no directory has a policy. */
  durability: Durability
}

export class DurabilityGate {
  readonly #parts: DurabilityGateParts
  /** Whether new files in a directory need local durability only; cleared when a policy changes. */
  readonly #local = new Map<number, boolean>()
  #policies = 0

  constructor(parts: DurabilityGateParts) {
    this.#parts = parts
  }

  /** Durability of an inode. */
  of(ino: number): Durability {
    return this.#parts.engine.read(durabilityOf(ino))?.durability ?? this.#parts.durability
  }

  /** Whether the files that are created in a directory need local durability only. */
  isLocalIn(directory: number): boolean {
    const { policies } = this.#parts.shared
    if (policies !== this.#policies || this.#local.size >= cacheLimits.rememberedInodes) {
      this.#local.clear()
      this.#policies = policies
    }
    const known = this.#local.get(directory) ?? this.of(directory) === 'local'
    this.#local.set(directory, known)
    return known
  }

  /** Throws `NotStarted` until the commits of an inode have the durability of its directory. */
  require(ino: number): void {
    const { uploads } = this.#parts
    if (!uploads.has(ino)) return
    const durability = this.of(ino)
    if (durability === 'local') return
    const copies = copiesOf(durability)
    if (copies > 0 && this.#haveCopies(ino, copies)) return
    const condition: WaitCondition =
      copies > 0 ? { kind: 'copies', ino, copies } : { kind: 'durable', ino }
    throw new NotStarted(condition)
  }

  /** Returns the value as it is stored; EINVAL if the inode cannot have it. */
  check(ino: number, value: Uint8Array): Uint8Array {
    const { engine } = this.#parts
    if ((engine.read(getInode(ino)).mode & S_IFMT) !== S_IFDIR) {
      throw new FsError('EINVAL', 'durability is set on directories; files inherit it')
    }
    const durability = parseDurability(Buffer.from(value).toString())
    if (copiesOf(durability) > 0 && !engine.isReplica) {
      throw new FsError('EINVAL', `${durability} needs other nodes: this one has no coordinator`)
    }
    return Buffer.from(durability)
  }

  #haveCopies(ino: number, copies: number): boolean {
    const { uploads, index } = this.#parts
    return uploads.of(ino, 0).every((upload) => {
      const reference = index.find(ino, upload.index)
      if (reference?.id !== upload.id || reference.durable) return true
      return holdersOf(reference).length > copies
    })
  }
}

/** Ids of the nodes that have the bytes of a chunk; the node that committed it is first. */
export function holdersOf({ holders }: { holders: string }): string[] {
  return holders === '' ? [] : holders.split(',')
}
