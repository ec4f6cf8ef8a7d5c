/**
 * Wall-clock time as file systems store it: seconds and nanoseconds, apart, because one double
 * cannot hold both exactly. The monotonic clock gives the microseconds that Date lacks; it is
 * anchored anew whenever the wall clock was set.
 */
export interface Timestamp {
  sec: number
  nsec: number
}

/** How far both clocks may part before the anchor moves, ms: a tick and some scheduling. */
const DRIFT_MS = 3

/** The machine's monotonic clock, ms: the same in all threads and processes of one machine. */
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

/** Of milliseconds since the epoch: to the microsecond. */
export function timestampOf(ms: number): Timestamp {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1000) * 1000 }
}

/** Whichever is later. */
export function laterOf(one: Timestamp, other: Timestamp): Timestamp {
  if (one.sec !== other.sec) return one.sec > other.sec ? one : other
  return one.nsec >= other.nsec ? one : other
}
