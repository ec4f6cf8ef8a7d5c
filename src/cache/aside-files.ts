/** Set-aside files go when no upload reads them any more. */
import type { BackingFiles } from '../tiers/nvme/backing-files.ts'
import type { NodeDatabase } from './node-database.ts'

export function removeAsides(
  database: NodeDatabase,
  files: BackingFiles,
  names: readonly string[],
): void {
  for (const name of new Set(names)) if (!database.sourceInUse(name)) files.removeAside(name)
}
