/**
 * Inodes of which the kernel may have stale pages, shared by threads: page drops that are required
 * and not done (volume/kernel/kernel-pages.ts). While an inode has one, every open makes the kernel
 * drop the pages of the file, and the kernel does not get its attributes: a page that ends at the
 * old end of the file would show zeros once the kernel has a larger size.
 *
 * Inodes share slots: an inode in the slot of another may wait or drop pages without need.
 */
const PLACES = 65_536

export interface PageDropMemory {
  stale: SharedArrayBuffer
  awaited: SharedArrayBuffer
}

export class PageDrops {
  /** Drops that are not done, including those that failed. */
  readonly #stale: Int32Array
  /** Those of them that attributes wait for. */
  readonly #awaited: Int32Array

  constructor({ stale, awaited }: PageDropMemory) {
    this.#stale = new Int32Array(stale)
    this.#awaited = new Int32Array(awaited)
  }

  static allocate(): PageDropMemory {
    return {
      stale: new SharedArrayBuffer(PLACES * 4),
      awaited: new SharedArrayBuffer(PLACES * 4),
    }
  }

  /** Whether the kernel may have pages of old content: an open must drop them. */
  hasStale(ino: number): boolean {
    return Atomics.load(this.#stale, ino % PLACES) !== 0
  }

  /**
   * Whether the kernel is about to drop pages, so that the attributes of the inode have to wait.
   */
  isAwaited(ino: number): boolean {
    return Atomics.load(this.#awaited, ino % PLACES) > 0
  }

  /** Adds a required drop. */
  expect(ino: number): void {
    Atomics.add(this.#stale, ino % PLACES, 1)
    Atomics.add(this.#awaited, ino % PLACES, 1)
  }

  /** The drop is done, or was not needed. */
  done(ino: number): void {
    Atomics.sub(this.#awaited, ino % PLACES, 1)
    Atomics.sub(this.#stale, ino % PLACES, 1)
  }

  /** The drop failed: opens drop the pages, and attributes no longer wait. */
  failed(ino: number): void {
    Atomics.sub(this.#awaited, ino % PLACES, 1)
  }

  /** Marks all inodes as possibly stale, permanently. */
  expectAll(): void {
    for (let place = 0; place < PLACES; place++) Atomics.add(this.#stale, place, 1)
  }
}
