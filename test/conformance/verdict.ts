/** Compares a transcript with its table, and with ext4's transcript of the same case. */
import type { Case, Step } from './case.ts'
import { differenceOf } from './differences.ts'
import type { Transcript } from './stage.ts'

const ERRNO = /^E[A-Z0-9]+$/

/** One line per deviation; empty if the case passes. `proof`: the results of ext4. */
export function deviations(it: Case, { results }: Transcript, proof?: Transcript): string[] {
  const steps = [...it.steps, ...(it.afterCut ?? [])]
  return steps.flatMap((step, at) => {
    const got = results[at] ?? 'nothing'
    const wanted = step.expected === '?' ? undefined : step.expected
    const right = wanted ?? proof?.results[at]
    if (isRight(step, got, right)) return []
    return [`${step.text} -> ${got}${right === undefined ? '' : `, not ${right}`}`]
  })
}

function isRight(step: Step, got: string, wanted: string | undefined): boolean {
  if (got.startsWith('broken')) return false
  if (wanted === undefined) return step.expected === '?' || !ERRNO.test(got)
  return got === wanted
}

/** Deviations of a case on a target, as text; undefined if there are none. */
export function complaint(
  it: Case,
  target: string,
  transcript: Transcript,
  proof?: Transcript,
): string | undefined {
  const wrong = deviations(it, transcript, proof)
  const declared = differenceOf(it, target)
  if (declared === undefined) {
    return wrong.length === 0 ? undefined : [it.name, ...wrong].join('\n    ')
  }
  if (wrong.length > 0) return undefined
  return `${it.name}\n    is as on ext4: take it out of differences.ts (${declared.why})`
}
