/**
 * A local change that is pending at the remote. It has the paths to change (as they were when it
 * was made) and the entry whose content or attributes it sends, which may have another path by now.
 */
import type { AttributeChanges } from '../../filesystem/file-system.ts'
import type { Entry } from '../entry.ts'

interface Common {
  /** Id in the journal. */
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
      /** Entry that records the absence of the old name. */
      left: Entry
    })
  | (Common & { kind: 'attributes'; changes: AttributeChanges })
