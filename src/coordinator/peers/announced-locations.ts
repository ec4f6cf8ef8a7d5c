/**
 * Where files are, by what nodes announced: in memory, bounded, and therefore hints. The file that
 * was neither announced nor asked for the longest is forgotten first.
 */
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import type {
  FileLocation,
  FileLocations,
  FileReference,
} from '../../tiers/peers/file-locations.ts'

export interface AnnouncedLocationsOptions {
  /** What a path names, so that path and inode are one file; ENOENT where there is none. */
  resolve?: ((path: string) => Promise<number>) | undefined
}

export class AnnouncedLocations implements FileLocations {
  readonly #resolve: AnnouncedLocationsOptions['resolve']
  /** Least recently used first. */
  readonly #files = new Map<string | number, Set<string>>()

  constructor({ resolve }: AnnouncedLocationsOptions = {}) {
    this.#resolve = resolve
  }

  async find(file: FileReference): Promise<FileLocation> {
    return { peers: [...this.#use(await this.#keyOf(file))] }
  }

  async announce(file: FileReference, peerId: string, present: boolean): Promise<void> {
    const key = await this.#keyOf(file)
    const peers = this.#use(key)
    if (!present) {
      peers.delete(peerId)
      if (peers.size === 0) this.#files.delete(key)
      return
    }
    if (!peers.has(peerId) && peers.size >= coordinatorLimits.announcedPeers) {
      throw new FsError(
        'EAGAIN',
        `${coordinatorLimits.announcedPeers} nodes have it: no more are noted`,
      )
    }
    peers.add(peerId)
    this.#files.set(key, peers)
    if (this.#files.size <= coordinatorLimits.announcedFiles) return
    const [oldest = key] = this.#files.keys()
    this.#files.delete(oldest)
  }

  /** A node has left: what it had is not there any more. */
  forgetPeer(peerId: string): void {
    for (const [key, peers] of this.#files) {
      if (peers.delete(peerId) && peers.size === 0) this.#files.delete(key)
    }
  }

  #use(key: string | number): Set<string> {
    const peers = this.#files.get(key)
    if (peers === undefined) return new Set()
    this.#files.delete(key)
    this.#files.set(key, peers)
    return peers
  }

  async #keyOf(file: FileReference): Promise<string | number> {
    if ('ino' in file) return file.ino
    return this.#resolve === undefined ? file.path : await this.#resolve(file.path)
  }
}
