/**
 * The damage matrix: every kind of file of a node and its cloud, damaged in every way, while the
 * node runs, after a stop and after a kill. Prints one line per case, and a table of kinds and
 * damages at the end.
 *
 * CACHEFS_SEED repeats a run. DAMAGE_CASE runs the cases with matching names. CACHEFS_SECONDS is
 * the time in which new cases are started, in an order that the seed determines (default: until all
 * have run).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCase } from '../fixtures/damage-case.ts'
import { allCases, type Case } from '../fixtures/damage-table.ts'
import { Random } from '../fixtures/random.ts'

const SECONDS = Number(process.env['CACHEFS_SECONDS'] ?? 7000)
/** Concurrent cases: most of a case is waiting. */
const AT_ONCE = 4
const WANTED = new RegExp(process.env['DAMAGE_CASE'] ?? '')

function shuffled(cases: Case[], random: Random): Case[] {
  for (let at = cases.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    ;[cases[at], cases[other]] = [cases[other]!, cases[at]!]
  }
  return cases
}

/** The seed of a case, independent of the other cases in the run. */
function seedOf(name: string, seed: number): number {
  return Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 2 ** 32, seed)
}

/** With the error behind one that ended the clean-up. */
function messageOf(error: unknown): string {
  if (!(error instanceof SuppressedError)) return (error as Error).message
  return `${messageOf(error.suppressed)}\nthen: ${messageOf(error.error)}`
}

function table(results: ReadonlyMap<Case, string>): string[] {
  const rows = new Map<string, string[]>()
  for (const [{ kind, damage, when }, result] of results) {
    rows.set(kind.name, [...(rows.get(kind.name) ?? []), `${damage}/${when}=${result}`])
  }
  return [...rows].sort().map(([kind, cells]) => `${kind}: ${cells.sort().join(' ')}`)
}

test('nothing damaged is given as data', { timeout: SECONDS * 1000 + 240_000 }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  const cases = shuffled(allCases(), random).filter(({ name }) => WANTED.test(name))
  const until = Date.now() + SECONDS * 1000
  const results = new Map<Case, string>()
  const failures: string[] = []
  const one = async (each: Case): Promise<void> => {
    const result = await runCase(each, seedOf(each.name, random.seed)).catch((error: unknown) => {
      failures.push(messageOf(error))
      return 'FAILED'
    })
    results.set(each, result)
    process.stdout.write(`${result}: ${each.name}\n`)
    if (result === 'FAILED') process.stdout.write(`${failures.at(-1)!.slice(0, 4000)}\n`)
  }
  const worker = async (): Promise<void> => {
    for (let next = cases.shift(); next && Date.now() < until; next = cases.shift()) await one(next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  for (const line of table(results)) t.diagnostic(line)
  assert.equal(failures.length, 0, `${failures.length} of ${results.size} cases failed`)
})
