/**
 * Health of a program, served without a key. `/api/health` describes it in words. The other two
 * routes are probes for service managers. Live: the program answers at all; otherwise it must be
 * restarted. Ready: it can do its work. An unreachable cloud does not make it unready, since reads
 * and writes go on.
 */
import type { FastifyInstance } from 'fastify'
import { healthOf } from './problem.ts'
import type { Problem } from './problem.ts'

const HEALTH = '/api/health'
const LIVE = '/api/health/live'
const READY = '/api/health/ready'

/** Answered without a key: probes do not have one. */
export const HEALTH_PATHS = [HEALTH, LIVE, READY]

export function healthRoutes(
  app: FastifyInstance,
  tag: string,
  problems: () => Problem[] | Promise<Problem[]>,
): void {
  const about = (summary: string, parts: object = {}): { schema: object } => ({
    schema: { summary, tags: [tag], ...parts },
  })
  app.get(HEALTH, about(`Whether the ${tag} works, in words`), async () =>
    healthOf(await problems()),
  )
  app.get(LIVE, about('Whether it answers: if not, restart it'), () => ({ live: true }))
  const response = {
    200: { description: 'It can do its work, though something may be degraded' },
    503: { description: 'It cannot at present: a problem is blocking' },
  }
  app.get(READY, about('Whether it can do its work', { response }), async (_request, reply) => {
    const found = await problems()
    const ready = !found.some(({ blocking }) => blocking)
    return await reply.code(ready ? 200 : 503).send({ ready, problems: found })
  })
}
