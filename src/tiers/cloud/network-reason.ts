/**
 * Maps network errors to messages that name the remedy. Node and the SDKs nest errors (an
 * AggregateError over all addresses that were tried, `cause`), so all levels are searched for the
 * first code that has a mapping.
 */
import type { FsErrorCode } from '../../base/fs-error.ts'

interface Reason {
  code: FsErrorCode
  text: string
}

const DEPTH_MAX = 5

export function networkReason(error: unknown, host: string): Reason | undefined {
  for (const code of codesIn(error, DEPTH_MAX)) {
    const reason = reasonOf(code, host)
    if (reason !== undefined) return reason
  }
  return undefined
}

function* codesIn(error: unknown, depth: number): Generator<string> {
  if (typeof error !== 'object' || error === null || depth === 0) return
  const { code, name, cause, errors } = error as Record<string, unknown>
  if (typeof code === 'string') yield code
  if (name === 'TimeoutError') yield name
  if (Array.isArray(errors)) for (const it of errors) yield* codesIn(it, depth - 1)
  yield* codesIn(cause, depth - 1)
}

function reasonOf(code: string, host: string): Reason | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return eio(`connection to ${host} refused (${code}): check the server and the endpoint`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return eio(`no such host: ${host} (${code}): check the endpoint and the account`)
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return eio(`no route to ${host} (${code}): check the network`)
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return eio(`${host} closed the connection (${code})`)
    case 'ETIMEDOUT':
    case 'ESOCKETTIMEDOUT':
    case 'TimeoutError':
      return { code: 'ETIMEDOUT', text: `${host} did not respond in time` }
    case 'EPROTO':
      return eio(`${host} does not speak TLS (${code}): is the endpoint http, not https?`)
    default:
      return isCertificate(code)
        ? eio(`the certificate of ${host} is not trusted (${code})`)
        : undefined
  }
}

function eio(text: string): Reason {
  return { code: 'EIO', text }
}

function isCertificate(code: string): boolean {
  return /CERT|^UNABLE_TO_(GET|VERIFY)|^ERR_TLS_/.test(code)
}
