/**
 * A real tree (copies of this project's node_modules and of the Node binary) is copied in, made
 * durable and evicted; then the node is killed, and the tree is read back by checksum. Names,
 * modes, owners, times and link targets are compared with the original.
 */
import {
  closeSync,
  copyFileSync,
  globSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pace, requireEqual, run, shell } from './stage.ts'
import type { Stage } from './stage.ts'

const PACKAGES = new URL('../../node_modules', import.meta.url).pathname
const MIB = 1024 * 1024

export interface TreeSize {
  files: number
  /** Minimum total size. */
  megabytes: number
}

export async function treeStep(stage: Stage, size: TreeSize): Promise<void> {
  const source = stage.local('tree')
  const { files, bytes } = makeTree(source, size)
  stage.say(`tree: ${files} files, ${Math.round(bytes / MIB)} MiB made on the local file system`)
  const sums = shell('find . -type f -print0 | sort -z | xargs -0 sha256sum', { cwd: source })
  const target = stage.onMount('tree')
  let start = performance.now()
  run('cp', ['-a', `${source}/.`, target])
  stage.say(`tree: copied in (cp -a), ${pace(start, bytes)}`)
  start = performance.now()
  await stage.node.act('wait', '/')
  stage.say(`tree: durable, ${pace(start, bytes)}`)
  requireEqual('the tree', listing(target), listing(source))
  stage.say('tree: names, types, modes, owners, sizes, times, link targets as in the original')
  const before = stage.cachedMib
  await stage.node.act('evict', '/')
  const after = stage.cachedMib
  if (after > before / 100 + 1) throw new Error(`${after} of ${before} MiB are still here`)
  stage.say(`tree: evicted, ${before} MiB in the cache before, ${after} after`)
  await stage.restart()
  start = performance.now()
  run('sha256sum', ['-c', '--quiet', '-'], { cwd: target, input: sums })
  stage.say(`tree: node killed and started, sha256sum -c clean from cloud, ${pace(start, bytes)}`)
  start = performance.now()
  run('sha256sum', ['-c', '--quiet', '-'], { cwd: target, input: sums })
  stage.say(`tree: sha256sum -c clean again, warm, ${pace(start, bytes)}`)
  requireEqual('the tree', listing(target), listing(source))
  run('rm', ['-rf', target])
  stage.say(`tree: removed; the node has used at most ${stage.peakRssMib} MiB of memory`)
}

function makeTree(directory: string, { files, megabytes }: TreeSize): TreeCount {
  const names = globSync('**/*', { cwd: PACKAGES }).sort()
  const made = { files: 0, bytes: 0 }
  for (let copy = 0; made.files < files; copy++) {
    for (const name of names) {
      if (made.files >= files) break
      copyEntry(join(PACKAGES, name), join(directory, `packages-${copy}`, name), made)
    }
  }
  addBinaries(directory, megabytes * MIB, made)
  return made
}

interface TreeCount {
  files: number
  bytes: number
}

function copyEntry(from: string, to: string, made: TreeCount): void {
  const stat = lstatSync(from)
  if (!stat.isFile()) return
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  made.files += 1
  made.bytes += stat.size
}

/** Large files: the Node binary, with each copy made different. */
function addBinaries(directory: string, bytes: number, made: TreeCount): void {
  const binary = readFileSync(process.execPath)
  for (let copy = 0; made.bytes < bytes; copy++) {
    const part = binary.subarray(0, Math.min(binary.length, bytes - made.bytes))
    const fd = openSync(join(directory, `node-${copy}`), 'wx', 0o755)
    writeSync(fd, part)
    writeSync(fd, `copy ${copy}\n`, 0)
    closeSync(fd)
    made.files += 1
    made.bytes += part.length
  }
}

/** All attributes of the entries below a directory; for directories without the size. */
export function listing(directory: string): string {
  const format = '%P|%y|%m|%U|%G|%n|%T@|%l'
  return shell(`find . -type d -printf '${format}\\n' -o -printf '${format}|%s\\n' | sort`, {
    cwd: directory,
  })
}
