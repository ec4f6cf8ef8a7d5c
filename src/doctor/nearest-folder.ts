/** Finds where a folder that may not exist yet would be created. */
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The folder itself, or its nearest existing ancestor. */
export async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const exists = await stat(folder).then(
      (stats) => stats.isDirectory(),
      () => false,
    )
    if (exists || folder === '/') return folder
  }
}
