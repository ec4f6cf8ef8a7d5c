/**
 * Which inodes the kernel may have pages of that are no longer right, shared by threads: drops of
 * pages that are wanted and not done (volume/kernel/kernel-pages.ts). While there is one, whoever
 * opens the file has the kernel drop its pages, and the kernel is not given the file's attributes:
 * a page that ends where the file ended would show zeros once the file is known to be longer.
 *
 * Inodes share places: one that shares the place of another waits, or drops a little too much.
 */
const PLACES = 65_536

export interface PageDropMemory {
  stale: SharedArrayBuffer
  awaited: SharedArrayBuffer
}

export class PageDrops {
  /** Drops that are not done, also those that could not be. */
  readonly #stale: Int32Array
  /** Of these, those that attributes wait for. */
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

  /** The kernel may have pages of a content that is no more: whoever opens drops them. */
  hasStale(ino: number): boolean {
    return Atomics.load(this.#stale, ino % PLACES) !== 0
  }

  /** The kernel is about to drop pages of the inode: its attributes wait for that. */
  isAwaited(ino: number): boolean {
    return Atomics.load(this.#awaited, ino % PLACES) > 0
  }

  /** One drop more is wanted. */
  expect(ino: number): void {
    Atomics.add(this.#stale, ino % PLACES, 1)
    Atomics.add(this.#awaited, ino % PLACES, 1)
  }

  /** It is done, or was not needed. */
  done(ino: number): void {
    Atomics.sub(this.#awaited, ino % PLACES, 1)
    Atomics.sub(this.#stale, ino % PLACES, 1)
  }

  /** It could not be done: who opens the file drops its pages, and attributes wait no longer. */
  failed(ino: number): void {
    Atomics.sub(this.#awaited, ino % PLACES, 1)
  }

  /** Any inode may have stale pages, for good. */
  expectAll(): void {
    for (let place = 0; place < PLACES; place++) Atomics.add(this.#stale, place, 1)
  }
}
