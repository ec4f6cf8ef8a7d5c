/**
 * Sizes as users type them: `4096`, `512K`, `10G`, `1.5TiB`. All units are powers of 1024, like the
 * chunks and blocks that they are compared with.
 */
import { UsageError } from './usage-error.ts'

const UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40, P: 2 ** 50 } as const
type Unit = keyof typeof UNITS

const SIZE = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)(I?B)?$/

/** Returns bytes; a number without a unit has the unit `unit`. */
export function parseSize(text: string, unit: Unit = ''): number {
  const [, number, letter, suffix] = SIZE.exec(text.trim().toUpperCase()) ?? []
  if (number === undefined)
    throw new UsageError('a size is a number and a unit, such as 512M or 10G')
  const named = letter !== '' || suffix !== undefined
  const bytes = Number(number) * UNITS[named ? (letter as Unit) : unit]
  if (!Number.isSafeInteger(Math.round(bytes))) throw new UsageError('that size is too large')
  return Math.round(bytes)
}

/** Formats a size with a unit and at most three digits. */
export function formatSize(bytes: number): string {
  const units = Object.entries(UNITS)
  const [letter, factor] = units.findLast(([, factor]) => bytes >= factor) ?? ['', 1]
  const value = bytes / factor
  return `${letter === '' || value >= 100 ? Math.round(value) : value.toPrecision(2)} ${letter}B`
}
