/** Durations as users type them: `500ms`, `30s`, `5m`, `1h`, `7d`; a bare number is seconds. */
import { UsageError } from './usage-error.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Returns milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim()) ?? []
  if (number === undefined)
    throw new UsageError('a duration is a number and a unit, such as 30s or 1h')
  const ms = Math.round(Number(number) * UNITS[(unit?.toLowerCase() ?? 's') as keyof typeof UNITS])
  if (!Number.isSafeInteger(ms)) throw new UsageError('that is too long')
  return ms
}
