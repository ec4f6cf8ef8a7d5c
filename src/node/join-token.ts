/**
 * The join token of a cluster, which only admits new nodes. It is given to the coordinator, or
 * generated at its first start and kept beside its API key. A kept token is read from disk whenever
 * a node presents one, so `coordinator join-token --rotate` takes effect at once.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from '../base/fs-error.ts'
import { keepSecret } from '../base/kept-secret.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { newSecret, readKept } from './api-secrets.ts'

const FILE = 'join-token'

/** The kept token; a new one if there is none, or if `replace` is set. */
export function keptJoinToken(folder: string, how: { replace?: boolean } = {}): string {
  const path = join(folder, FILE)
  const kept = how.replace === true ? undefined : readKept(path)
  if (kept !== undefined) return kept
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  keepSecret(path, newSecret(), how)
  return readKept(path) ?? ''
}

/**
 * Returns a function that reads the current token. Undefined if it cannot be read; then no node can
 * join with a token.
 */
export function joinTokenSource(
  folder: string,
  given: string | undefined,
  logger: Logger,
): () => string | undefined {
  if (given !== undefined) return () => given
  keptJoinToken(folder)
  const failures = new RepeatedLog(logger)
  return () => {
    try {
      return keptJoinToken(folder)
    } catch (error) {
      failures.warn('join token', `nodes cannot join with a token: ${describe(error)}`)
      return undefined
    }
  }
}
