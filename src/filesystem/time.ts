/**
 * Converts times as Node accepts them (seconds, a date, a text with one of them) to milliseconds.
 */
import { FsError } from '../base/fs-error.ts'
import type { Time } from './file-system.ts'

export function msOf(time: Time): number {
  const ms = time instanceof Date ? time.getTime() : toMs(time)
  if (Number.isFinite(ms)) return ms
  throw new FsError('EINVAL', `not a time: ${String(time)}`)
}

function toMs(time: number | string): number {
  if (typeof time === 'number') return time * 1000
  return Number.isNaN(Number(time)) ? Date.parse(time) : Number(time) * 1000
}
