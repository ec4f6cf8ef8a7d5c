/**
 * The id of a node or a coordinator: generated at its first start and kept in its folder, so that
 * it is the same after each restart.
 */
import { FsError } from '../base/fs-error.ts'
import { keepSecret, readSecret } from '../base/kept-secret.ts'

const ID = /^[A-Za-z0-9][\w.-]{0,62}$/

/** `make` generates an id. EINVAL: the kept one was damaged. */
export function keptId(path: string, make: () => string): string {
  if (readSecret(path) === undefined) keepSecret(path, make())
  const id = readSecret(path) ?? ''
  if (ID.test(id)) return id
  const message = `${path} is damaged: restore it, or remove it and a new id is made`
  throw new FsError('EINVAL', message, { path })
}
