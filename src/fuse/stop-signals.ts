/**
 * Does a signal that a process has not taken yet ask it to stop what it does? The kernel tells of
 * any signal, once for a request. Some arrive all the time and ask nothing: a child that ended, a
 * timer of a profiler, the preemption of a language's runtime. Calls on a local disk are not cut
 * short by those, and programs do not expect it; least of all of `close`.
 */
import { readFileSync } from 'node:fs'

/** CHLD, CONT, URG, VTALRM, PROF, WINCH, IO: signal(7), the same on all that Node runs on. */
const HARMLESS = [17, 18, 23, 26, 27, 28, 29].reduce((mask, n) => mask | (1n << BigInt(n - 1)), 0n)

/** `pid` 0, or one that cannot be looked at: it may. */
export function wantsToStop(pid: number): boolean {
  let status: string
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return true
  }
  const [own, shared, blocked] = ['SigPnd', 'ShdPnd', 'SigBlk'].map((field) => {
    return BigInt(`0x${new RegExp(`^${field}:\\s*(\\w+)`, 'm').exec(status)?.[1] ?? '0'}`)
  })
  return ((own! | shared!) & ~blocked! & ~HARMLESS) !== 0n
}
