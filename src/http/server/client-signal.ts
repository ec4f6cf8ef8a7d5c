/**
 * Signal that is aborted when the client disconnects before its response is complete, or when the
 * server stops.
 */
import type { FastifyReply } from 'fastify'
import { FsError } from '../../base/fs-error.ts'

export function clientSignal(reply: FastifyReply, stopping?: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const stop = (): void => controller.abort(new FsError('ECANCELED', 'the node is stopping'))
  stopping?.addEventListener('abort', stop, { once: true })
  if (stopping?.aborted) stop()
  reply.raw.once('close', () => {
    stopping?.removeEventListener('abort', stop)
    if (reply.raw.writableFinished) return
    controller.abort(new FsError('ECANCELED', 'the client went away'))
  })
  return controller.signal
}
