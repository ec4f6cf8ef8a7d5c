/**
 * A resource that a program currently lacks, with what still works and what fails, so that users
 * need not guess the effect of an outage. Health, status and probes are made from these.
 */

export interface Problem {
  /** The failure, completed with 'since ...': 'the coordinator has not been reachable'. */
  what: string
  since: Date
  /** The last error of the resource. */
  reason?: string | undefined
  works: string
  /** What does not work, and how it fails. */
  fails: string
  /** Too little works for requests to be sent to this program: it is not ready. */
  blocking: boolean
}

export interface Health {
  status: 'ok' | 'degraded'
  /** One sentence per problem: what does not work, and since when. */
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
