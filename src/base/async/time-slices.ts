/**
 * Runs short synchronous tasks of one kind in order, for a limited time per turn of the event loop:
 * hundreds of tasks that arrive together delay nothing else by more than one slice. While the slice
 * of the current turn lasts, a task runs at once.
 */
type Task = () => Promise<void> | undefined

export class TimeSlices {
  readonly #sliceMs: number
  readonly #tasks: (() => void)[] = []
  #usedMs = 0
  /** The next turn is scheduled. */
  #isScheduled = false

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs
  }

  /** Returns the task's promise; if it has to wait for a later turn, a promise for its end. */
  run(task: Task): Promise<void> | undefined {
    if (this.#tasks.length === 0 && this.#usedMs < this.#sliceMs) return this.#timed(task)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#tasks.push(() => {
      try {
        resolve(this.#timed(task))
      } catch (error) {
        reject(error)
      }
    })
    this.#schedule()
    return promise
  }

  #timed(task: Task): Promise<void> | undefined {
    const beganMs = performance.now()
    try {
      return task()
    } finally {
      this.#usedMs += performance.now() - beganMs
      this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isScheduled = false
    this.#usedMs = 0
    let count = 0
    do this.#tasks[count++]?.()
    while (count < this.#tasks.length && this.#usedMs < this.#sliceMs)
    this.#tasks.splice(0, count)
    if (this.#tasks.length > 0) this.#schedule()
  }
}
