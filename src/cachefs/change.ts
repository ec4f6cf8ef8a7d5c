/**
 * One change that was made here and is on its way to the remote. It names where the remote has to
 * change (paths as they were when it was made) and the entry whose content or attributes it takes,
 * wherever that is by now.
 */
import type { AttributeChanges } from '../filesystem/file-system.ts'
import type { Entry } from './entry.ts'

interface Common {
  /** In the journal. */
  id: number
  path: string
  entry: Entry
}

export type Change =
  | (Common & { kind: 'write' | 'mkdir' | 'symlink' | 'unlink' | 'rmdir' })
  | (Common & {
      kind: 'rename'
      to: string
      isDirectory: boolean
      /** What stands for the name that nothing has now. */
      left: Entry
    })
  | (Common & { kind: 'attributes'; changes: AttributeChanges })
