/**
 * Access to the file of a local copy. A symbolic link that was put in its place may lead to the
 * copy of another file: it is ELOOP, and treated as an absent file.
 */
import { failure } from '../../filesystem/failure.ts'
import type { FileHandle } from '../../filesystem/file-handle.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'

export async function openCopy(
  local: FileSystem,
  path: string,
  flags: 'r' | 'r+',
): Promise<FileHandle> {
  await refuseLink(local, path)
  return await local.open(path, flags)
}

export async function truncateCopy(local: FileSystem, path: string): Promise<void> {
  await refuseLink(local, path)
  await local.truncate(path, 0)
}

export async function refuseLink(local: FileSystem, path: string): Promise<void> {
  const stats = await local.lstat(path)
  if (stats.isSymbolicLink()) throw failure('ELOOP', 'open', path)
}
