/** Adapts a handle of one file system to the open file of another one that is layered on it. */
import type { FileHandle } from './file-handle.ts'
import type { AttributeChanges, CallOptions } from './file-system.ts'
import type { OpenFile } from './open-file.ts'

export function handleFile(handle: FileHandle): OpenFile {
  return {
    read: async (target, position, options) => {
      return (await handle.read(target, { ...options, position })).bytesRead
    },
    write: async (source, position, options) => {
      const at = position === 'end' ? (await handle.stat(options)).size : position
      await handle.write(source, { ...options, position: at })
    },
    stat: (options) => handle.stat(options),
    truncate: (sizeBytes, options) => handle.truncate(sizeBytes, options),
    change: (changes, options) => changeHandle(handle, changes, options),
    sync: (options) => handle.sync(options),
    close: () => handle.close(),
  }
}

async function changeHandle(
  handle: FileHandle,
  { mode, uid, gid, atimeMs, mtimeMs }: AttributeChanges,
  options?: CallOptions,
): Promise<void> {
  if (mode !== undefined) await handle.chmod(mode, options)
  if (uid !== undefined && gid !== undefined) await handle.chown(uid, gid, options)
  if (atimeMs === undefined || mtimeMs === undefined) return
  await handle.utimes(new Date(atimeMs), new Date(mtimeMs), options)
}
