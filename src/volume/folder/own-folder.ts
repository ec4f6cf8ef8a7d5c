/**
 * Checks the folder of a node, a coordinator or a file mount at the start of the program. The
 * folder is created with mode 0700, or its owner and mode are checked. Entries with names of this
 * program lose the rights of other users.
 *
 * Invariants: a folder that other users can write to is never used, since they could plant links in
 * it. The mode of a folder that has other entries too is not changed. A key that other users could
 * have read is not changed either (node/api-secrets.ts refuses it).
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { checkOwn, makePrivateFile, makePrivateFolder } from '../../base/private-folder.ts'
import { FsError } from '../../base/fs-error.ts'

/** Purpose of the directory, and the flag that sets it; both for messages. */
export interface DirectoryUse {
  name: string
  flag: string
}

const OTHERS = 0o077
const OTHERS_WRITE = 0o022
const STICKY = 0o1000
const FOLDERS = /^(data|aside|spare|held|conflicts|damaged|files|lost\+found)$/
/** Matches the further files of a database (`-wal`), and the temporary names of the others. */
const DATABASES = /^(lock|volume|node|coordinator)\.db/
const FILES =
  /^(open-inodes|stamp|volume\.copy|snapshot|node\.log|(peer|coordinator)-id|remote\.txt)(\.|$)/
const RECORDS = /^(node|mount|coordinator)\.json(\.|$)/
const KEPT = [DATABASES, FILES, RECORDS]
const SECRETS = /^(api-key|metrics-token|join-token|node-key)(\.|$)/
/** Folders of `cachefs up`: they may be links to elsewhere, and are checked by their own users. */
const PLACES = /^(mount|nvme|cloud|run|coordinator)$/

export function claimFolder(path: string, use: DirectoryUse): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const entries = readdirSync(path, { withFileTypes: true })
  const { uid, mode } = statSync(path)
  const self = process.geteuid?.() ?? 0
  if (uid !== self && uid !== 0) throw refusal(path, use, `belongs to user ${uid}`)
  const isAlone = entries.every(isOurs)
  if (uid === self && isAlone && (mode & STICKY) === 0) {
    if ((mode & OTHERS) !== 0) chmodSync(path, 0o700)
  } else if ((mode & (uid === self ? OTHERS_WRITE : 0o002)) !== 0) {
    throw refusal(path, use, 'can be written to by other users')
  }
  for (const entry of entries) tighten(path, entry)
}

function isOurs({ name }: Dirent): boolean {
  return [FOLDERS, SECRETS, PLACES, ...KEPT].some((names) => names.test(name))
}

function tighten(folder: string, entry: Dirent): void {
  const path = join(folder, entry.name)
  if (entry.isSymbolicLink() && !PLACES.test(entry.name)) checkOwn(path, lstatSync(path))
  if (entry.isDirectory() && FOLDERS.test(entry.name)) makePrivateFolder(path)
  if (entry.isFile() && KEPT.some((names) => names.test(entry.name))) makePrivateFile(path)
}

function refusal(path: string, { name, flag }: DirectoryUse, what: string): FsError {
  const message =
    `the ${name} ${path} ${what}, who could plant files in it: ` +
    `make it yours alone (chown, chmod 700), or name another with ${flag}`
  return new FsError('EACCES', message, { path })
}
