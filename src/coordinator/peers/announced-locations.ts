/**
 * Locations of files as announced by nodes: in memory and bounded, and therefore only hints. The
 * file that was not announced or requested for the longest time is dropped first.
 */
import { LRUCache } from 'lru-cache'
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import type {
  FileLocation,
  FileLocations,
  FileReference,
} from '../../tiers/peers/file-locations.ts'

export interface AnnouncedLocationsOptions {
  /** Resolves a path to its inode, so that both name the same file; ENOENT if there is none. */
  resolve?: ((path: string) => Promise<number>) | undefined
}

export class AnnouncedLocations implements FileLocations {
  readonly #resolve: AnnouncedLocationsOptions['resolve']
  readonly #files = new LRUCache<string | number, Set<string>>({
    max: coordinatorLimits.announcedFiles,
  })

  constructor({ resolve }: AnnouncedLocationsOptions = {}) {
    this.#resolve = resolve
  }

  async find(file: FileReference): Promise<FileLocation> {
    return { peers: [...(this.#files.get(await this.#keyOf(file)) ?? [])] }
  }

  async announce(file: FileReference, peerId: string, present: boolean): Promise<void> {
    const key = await this.#keyOf(file)
    const peers = this.#files.get(key) ?? new Set()
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
  }

  /** Removes a node that has left from all files. */
  forgetPeer(peerId: string): void {
    for (const [key, peers] of this.#files) {
      if (peers.delete(peerId) && peers.size === 0) this.#files.delete(key)
    }
  }

  async #keyOf(file: FileReference): Promise<string | number> {
    if ('ino' in file) return file.ino
    return this.#resolve === undefined ? file.path : await this.#resolve(file.path)
  }
}
