/**
 * What lets a new node join a cluster, and nothing else: given to the coordinator, or made at its
 * first start and kept beside its API key. A kept one is read whenever a node shows one, so that
 * `coordinator join-token --rotate` counts at once.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from '../base/fs-error.ts'
import { keepSecret, readSecret } from '../base/kept-secret.ts'
import type { Logger } from '../base/log/logger.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { newSecret } from './api-secrets.ts'
import { parseSecret } from '../options/secret-text.ts'

const FILE = 'join-token'

/** The one in the folder; a new one where there is none, or in its place. */
export function keptJoinToken(folder: string, how: { replace?: boolean } = {}): string {
  const path = join(folder, FILE)
  const kept = how.replace === true ? undefined : readSecret(path)
  if (kept !== undefined) return parseSecret(kept)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  keepSecret(path, newSecret(), how)
  return parseSecret(readSecret(path) ?? '')
}

/** As it is when it is asked for; undefined where it cannot be read: then nobody joins with it. */
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
