/** Programs that the steps run, with their Debian packages. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const PACKAGE_OF = {
  git: 'git',
  make: 'make',
  cc: 'gcc',
  tar: 'tar',
  rsync: 'rsync',
  setfattr: 'attr',
  find: 'findutils',
  sha256sum: 'coreutils',
}

/** `rsync (package rsync)`, one for each missing program. */
export function missingTools(): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return Object.entries(PACKAGE_OF)
    .filter(([tool]) => !folders.some((folder) => existsSync(join(folder, tool))))
    .map(([tool, name]) => `${tool} (package ${name})`)
}
