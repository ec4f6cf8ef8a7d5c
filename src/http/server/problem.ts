/**
 * Something that a program needs and does not have at present: told with what still works, so that
 * nobody has to guess what an outage means. Health, status and the probes are made of these.
 */

export interface Problem {
  /** What is away, to which 'since ...' is added: 'the coordinator has not been reachable'. */
  what: string
  since: Date
  /** What was said last by whom it was asked of. */
  reason?: string | undefined
  works: string
  /** What does not, and how it fails. */
  fails: string
  /** Too little works to send anybody here. */
  blocking: boolean
}

export interface Health {
  status: 'ok' | 'degraded'
  /** What does not work at present, since when, one sentence each. */
  problems: string[]
}

export function healthOf(problems: readonly Problem[]): Health {
  const status = problems.length === 0 ? 'ok' : 'degraded'
  return { status, problems: problems.map(sentenceOf) }
}

function sentenceOf({ what, since, reason }: Problem): string {
  const sentence = `${what} since ${since.toISOString()}`
  return reason === undefined ? sentence : `${sentence}: ${reason}`
}
