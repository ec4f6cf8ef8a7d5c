/**
 * Locations of files: the nodes that have their chunks according to the metadata, and those that
 * announced that they have some. A path is resolved name by name, without following symbolic links.
 */
import { FsError } from '../../base/fs-error.ts'
import { ROOT_INODE } from '../../filesystem/inode-file-system.ts'
import { coordinatorLimits } from '../limits.ts'
import { countPendingUploads } from '../../metadata/chunk-rules.ts'
import { findInode } from '../../metadata/inode-rules.ts'
import { lookup } from '../../metadata/namespace-rules.ts'
import { many, type Rule } from '../../metadata/statement.ts'
import type {
  FileLocation,
  FileLocations,
  FileReference,
} from '../../tiers/peers/file-locations.ts'
import { AnnouncedLocations } from './announced-locations.ts'
import type { MetadataStore } from '../metadata-store.ts'

/** A large file has many chunks; most have the same few holders. */
const selectHolders = many<{ holders: string }>(
  `SELECT DISTINCT holders FROM (SELECT holders FROM chunk WHERE ino = ? ORDER BY idx LIMIT ?)`,
)

export class FileHolders implements FileLocations {
  readonly #store: () => MetadataStore
  readonly #announced: AnnouncedLocations

  /** `store` throws if this coordinator does not lead. */
  constructor(store: () => MetadataStore) {
    this.#store = store
    this.#announced = new AnnouncedLocations({ resolve: (path) => this.#inodeOf(path) })
  }

  async find(file: FileReference): Promise<FileLocation> {
    const ino = 'ino' in file ? file.ino : await this.#inodeOf(file.path)
    const { size } = await this.#inode(ino)
    const rows = await this.#store().read(() => selectHolders(ino, coordinatorLimits.locatedChunks))
    const holders = rows.flatMap((row) => row.holders.split(','))
    const { peers } = await this.#announced.find({ ino })
    const all = new Set([...holders, ...peers].filter((id) => id !== ''))
    const durable = (await this.#store().read(() => countPendingUploads(ino))) === 0
    return { sizeBytes: size, durable, peers: [...all] }
  }

  async announce(file: FileReference, peerId: string, present: boolean): Promise<void> {
    if ('ino' in file) await this.#inode(file.ino)
    await this.#announced.announce(file, peerId, present)
  }

  forgetPeer(peerId: string): void {
    this.#announced.forgetPeer(peerId)
  }

  async #inode(ino: number): Promise<{ size: number }> {
    const row = await this.#store().read(() => findInode(ino))
    if (row === undefined) throw new FsError('ENOENT', `there is no inode ${ino}`)
    return row
  }

  async #inodeOf(path: string): Promise<number> {
    return await this.#store().read(() => walk(path))
  }
}

function* walk(path: string): Rule<number> {
  let ino: number = ROOT_INODE
  for (const name of path.split('/')) {
    if (name !== '') ino = (yield* lookup(ino, Buffer.from(name))).ino
  }
  return ino
}
