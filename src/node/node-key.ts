/**
 * The key pair of a node: generated at its first start and kept in its NVMe directory. It proves
 * the identity of the node. The private key never leaves that file.
 */
import { join } from 'node:path'
import { FsError } from '../base/fs-error.ts'
import { keepSecret, readSecret } from '../base/kept-secret.ts'
import { SigningKey } from '../base/signing-key.ts'

/** EACCES, EINVAL: the kept key cannot be used. */
export function keptNodeKey(folder: string): SigningKey {
  const path = join(folder, 'node-key')
  if (readSecret(path) === undefined) keepSecret(path, SigningKey.generate().export())
  try {
    return SigningKey.parse(readSecret(path) ?? '')
  } catch (cause) {
    if (cause instanceof FsError && cause.code !== 'EINVAL') throw cause
    const message =
      `${path} holds no key: restore it, or remove it and let the node join anew ` +
      '(`cachefs peers remove`)'
    throw new FsError('EINVAL', message, { path })
  }
}
