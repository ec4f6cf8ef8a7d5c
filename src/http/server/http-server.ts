/**
 * The HTTP server beneath an API: bounds on everything that a client can send or occupy, errors as
 * JSON from every layer, and the check of the API key.
 *
 * Invariants: a request without the right key reaches only the open routes and the routes with
 * their own door; a refused client can read the reason even if it is still sending; no client can
 * hold a connection forever.
 */
import fastify from 'fastify'
import type { FastifyContextConfig, FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { codeOf, describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import { RepeatedLog } from '../../base/log/repeated-log.ts'
import { VERSION, framingRefusal } from '../../filesystem/http/service/request-framing.ts'
import { baseLimits } from '../../base/limits.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { httpLimits } from '../limits.ts'
import { tiersLimits } from '../../tiers/limits.ts'
import { ApiKey } from './api-key.ts'
import { ConnectionRoom } from '../../filesystem/http/service/connection-room.ts'
import { HttpError, answerTo, errorBody } from '../../filesystem/http/service/http-error.ts'
import type { Door } from './door.ts'
import type { Upgrades } from './upgrades.ts'

/** Prefixes of paths that other nodes request. */
const PEER_PATHS = ['/api/chunks/', '/api/metadata/', '/api/peers']

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Check of a route in place of the API key; independent of how the URL is spelled. */
    door?: Door
  }
}

export interface HttpServerOptions {
  apiKey: string
  /** Opens `/metrics` and nothing else. */
  metricsToken?: string | undefined
  /** Paths that need no key; compared with the request literally. */
  openPaths: readonly string[]
  /** Largest body in bytes of a PUT that a route reads as a stream; 0: no such route. */
  maxUploadBytes: number
  upgrades: Upgrades
  logger: Logger
}

export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { logger, maxUploadBytes, upgrades } = options
  const reservedPaths = [...options.openPaths, ...PEER_PATHS]
  const failures = new RepeatedLog(logger)
  const app = fastify({
    bodyLimit: httpLimits.apiJsonBytes,
    connectionTimeout: filesystemLimits.apiIdleMs,
    requestTimeout:
      httpLimits.apiRequestMs + Math.ceil(maxUploadBytes / tiersLimits.cloudBytesPerMsMin),
    keepAliveTimeout: httpLimits.apiKeepAliveMs,
    http: {
      maxHeaderSize: httpLimits.apiHeaderBytes,
      headersTimeout: baseLimits.apiHeadersMs,
      connectionsCheckingInterval: baseLimits.apiHeadersMs / 5,
      shouldUpgradeCallback: (request) => upgrades.wants(request),
    },
    routerOptions: { maxParamLength: httpLimits.apiHeaderBytes },
    exposeHeadRoutes: false,
    // Invalid values are refused, not coerced: "/a" is not a list of paths.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    forceCloseConnections: 'idle',
    frameworkErrors: (_error, _request, reply) => {
      void sendError(reply, new HttpError(400, 'EINVAL', 'the URL has malformed escapes'))
    },
    clientErrorHandler: refuseConnection,
  })
  const room = new ConnectionRoom()
  room.attach(app.server)
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // For uploads, the route sends `100 Continue` after its checks (file-writer.ts).
    if (request.method !== 'PUT' || maxUploadBytes === 0) response.writeContinue()
    app.server.emit('request', request, response)
  })
  // Results are serialized unfiltered: response schemas are documentation only.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status } = answerTo(error)
    if (status >= 500) {
      const { method, url } = request
      failures.warn(`${status} ${codeOf(error)}`, `${method} ${url}: ${describe(error)}`)
    }
    return sendError(reply, error)
  })
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const body = errorBody('EOPNOTSUPP', 'EOPNOTSUPP: nothing but 100-continue can be expected')
    const text = JSON.stringify(body)
    response.writeHead(417, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  })
  app.addHook('onRequest', async ({ raw }) => {
    const refusal = framingRefusal(raw)
    if (refusal) throw new HttpError(refusal.status, refusal.code, refusal.message)
    const isReserved = reservedPaths.some((path) => raw.url?.startsWith(path))
    await room.turn(raw, isReserved)
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request
    logger.debug({ method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, '')
    if (!request.raw.complete) linger(request.raw)
  })
  requireKey(app, options)
  return app
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const { status, headers, body } = answerTo(error)
  for (const name of ['content-length', 'content-disposition']) reply.removeHeader(name)
  return reply.code(status).headers(headers).type('application/json; charset=utf-8').send(body)
}

/**
 * An immediate close would reset the connection, and a client that is still sending would lose the
 * response. So input is read and discarded for a bounded time.
 */
function linger(request: IncomingMessage): void {
  const { socket } = request
  request.resume()
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy()
  }, httpLimits.apiLingerMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

function requireKey(
  app: FastifyInstance,
  { apiKey, metricsToken, openPaths, upgrades }: HttpServerOptions,
): void {
  const key = new ApiKey(apiKey, metricsToken)
  const open = new Set(openPaths)
  app.addHook('onRequest', async ({ url, headers, routeOptions }) => {
    const path = url.split('?', 1)[0] ?? ''
    const { door } = (routeOptions.config as FastifyContextConfig | undefined) ?? {}
    if (door) door(headers)
    else if (!open.has(path)) key.check(headers, path)
  })
  upgrades.attach(app.server, key)
}

/** Refuses connections on which the HTTP parser failed: malformed, too large or too slow. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  // Node makes the same check: if a response has begun, this one would end up in the middle of it.
  const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse }
  if (error.code === 'ECONNRESET' || !socket.writable || answer?.headersSent) {
    socket.destroy()
    return
  }
  const [status, code, message] = refusalOf(error)
  const body = JSON.stringify(errorBody(code, `${code}: ${message}`))
  const lines = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  // A client that has ended its side sends no more: there is nothing to discard.
  const lingerMs = error.code === 'HPE_INVALID_EOF_STATE' ? 0 : httpLimits.apiLingerMs
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => {
    setTimeout(() => socket.destroy(), lingerMs).unref()
  })
}

function refusalOf({ code }: Error & { code?: string }): [string, string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        'E2BIG',
        `URL and headers have at most ${httpLimits.apiHeaderBytes} bytes`,
      ]
    case 'HPE_INVALID_URL':
      return ['400 Bad Request', 'EINVAL', 'escape what is not ASCII in a URL: %C3%BC for ü']
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'ETIMEDOUT', 'the request did not arrive in time']
    case 'HPE_PAUSED_H2_UPGRADE':
      return ['505 HTTP Version Not Supported', VERSION.code, VERSION.message]
    default:
      return ['400 Bad Request', 'EINVAL', `this is no HTTP request (${code ?? 'malformed'})`]
  }
}
