/**
 * The folder of a node, a coordinator or a file mount, when the program starts: it is made with
 * mode 0700, or checked. What is in it and has a name of ours loses the rights of other users.
 *
 * Invariants: a folder that other users can write to is never used (they could plant links); the
 * mode of a folder that holds other things as well is left alone; a key that others could have read
 * is left as it is (node/api-secrets.ts refuses it).
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { checkOwn, makePrivateFile, makePrivateFolder } from '../../base/private-folder.ts'
import { FsError } from '../../base/fs-error.ts'

/** What the directory is for, and the flag that names it. */
export interface DirectoryUse {
  name: string
  flag: string
}

const OTHERS = 0o077
const OTHERS_WRITE = 0o022
const STICKY = 0o1000
const FOLDERS = /^(data|aside|spare|held|conflicts|damaged|files|lost\+found)$/
/** Databases have further files beside them (`-wal`); others are written with a suffix first. */
const DATABASES = /^(lock|volume|node|coordinator)\.db/
const FILES =
  /^(open-inodes|volume\.copy|snapshot|node\.log|(peer|coordinator)-id|remote\.txt)(\.|$)/
const RECORDS = /^(node|mount|coordinator)\.json(\.|$)/
const KEPT = [DATABASES, FILES, RECORDS]
const SECRETS = /^(api-key|metrics-token|join-token|node-key)(\.|$)/
/** Of `cachefs up`: folders that may be elsewhere, and look after themselves. */
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
