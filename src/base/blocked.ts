/**
 * A file system operation here is a synchronous function that either completes or says what has to
 * happen first. `Blocked` is how it says so: it changes nothing, and carries a description (plain
 * data, it crosses threads) of what is missing: chunks to fetch, room on the NVMe, a durable copy.
 * Whoever may wait (the main thread) has it satisfied and runs the same operation again, until it
 * completes. So every operation is written once, and workers that must never wait can still run it.
 */
export class Blocked extends Error {
  readonly need: unknown

  constructor(need: unknown) {
    super('the operation has to wait')
    this.name = 'Blocked'
    this.need = need
  }
}
