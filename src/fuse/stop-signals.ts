/**
 * Whether a pending signal asks a process to stop its current operation. The kernel reports any
 * signal, once per request. Some signals are frequent and ask nothing: the end of a child, the
 * timer of a profiler, preemption in a language runtime. They do not interrupt calls on a local
 * disk, and programs do not expect that, least of all from `close`.
 */
import { readFileSync } from 'node:fs'

/** CHLD, CONT, URG, VTALRM, PROF, WINCH, IO: signal(7); the same on all platforms of Node. */
const HARMLESS = [17, 18, 23, 26, 27, 28, 29].reduce((mask, n) => mask | (1n << BigInt(n - 1)), 0n)

/** True for `pid` 0, and for a process whose status cannot be read. */
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
