/**
 * Error of a local copy that has fewer bytes than were written to it, because its file was removed
 * or cut. What the remote has is fetched again (`LocalCopies.refetch`); reading or sending the rest
 * fails with this error until the file is written again or removed.
 */
import { FsError, codeOf } from '../../base/fs-error.ts'

export class LostCopyError extends FsError {
  constructor(path: string, foundBytes: number, wantedBytes: number) {
    const message =
      `the local copy of ${path} has ${foundBytes} of ${wantedBytes} bytes, and the remote does ` +
      'not have this version: write the file again, or remove it'
    super('EIO', message, { path })
  }
}

/** Whether there is nothing at the path, or something other than a file. */
export function isNoFile(error: unknown): boolean {
  return ['ENOENT', 'EISDIR', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes(codeOf(error))
}

export function ignoreNoFile(error: unknown): undefined {
  if (!isNoFile(error)) throw error
  return undefined
}

/** Whether a call failed because there is no file. */
export async function isMissing(call: Promise<void>): Promise<boolean> {
  return await call.then(
    () => false,
    (error: unknown) => {
      if (!isNoFile(error)) throw error
      return true
    },
  )
}
