/**
 * Wall-clock time in the form in which file systems store it: seconds and nanoseconds, separately,
 * because one double cannot represent both exactly. The monotonic clock supplies the microseconds
 * that Date lacks; its anchor moves whenever the wall clock is set.
 */
export interface Timestamp {
  sec: number
  nsec: number
}

/** Difference between the clocks, ms, that moves the anchor: a clock tick and scheduling delays. */
const DRIFT_MS = 3

/** Monotonic clock of the machine, ms: the same in all threads and processes. */
export function monotonicMs(): number {
  const [sec, nsec] = process.hrtime()
  return sec * 1000 + nsec / 1e6
}

let anchorMs = performance.timeOrigin

export function now(): Timestamp {
  const wallMs = Date.now()
  let ms = anchorMs + performance.now()
  if (Math.abs(ms - wallMs) > DRIFT_MS) {
    anchorMs += wallMs - ms
    ms = wallMs
  }
  return timestampOf(ms)
}

/** Converts milliseconds since the epoch, to the microsecond. */
export function timestampOf(ms: number): Timestamp {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1000) * 1000 }
}

/** The later of two timestamps. */
export function laterOf(one: Timestamp, other: Timestamp): Timestamp {
  if (one.sec !== other.sec) return one.sec > other.sec ? one : other
  return one.nsec >= other.nsec ? one : other
}
