/**
 * What a broken connection means to somebody who has to mend it. Node and the SDKs nest these
 * errors in one another (AggregateError of every address tried, `cause`), so all levels are looked
 * through for the first code that says something.
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
      return eio(`nothing answers at ${host} (${code}): is the server up, the endpoint right?`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return eio(`no such host: ${host} (${code}): is the endpoint or the account right?`)
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return eio(`no way to ${host} (${code}): is the network up?`)
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return eio(`${host} broke the connection off (${code})`)
    case 'ETIMEDOUT':
    case 'ESOCKETTIMEDOUT':
    case 'TimeoutError':
      return { code: 'ETIMEDOUT', text: `${host} did not answer in time` }
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
