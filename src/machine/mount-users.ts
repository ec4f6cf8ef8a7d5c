/**
 * Processes that use a mount: with a file of it open or mapped, as their program, or as their
 * working or root directory. Read from /proc by path, without calls on the mount, which may hang.
 * Only root sees the processes of other users.
 */
import { readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface MountUser {
  pid: number
  /** Name of the process in /proc. */
  name: string
  /** How the process uses the mount, as text for users. */
  how: string
}

/** At most `most` processes: there may be thousands. */
export async function usersOf(mountPoint: string, most: number): Promise<MountUser[]> {
  const users: MountUser[] = []
  for (const entry of await readdir('/proc')) {
    if (users.length >= most) break
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const how = await useBy(join('/proc', entry), mountPoint)
    if (how !== undefined) users.push({ pid, name: await nameOf(pid), how })
  }
  return users
}

async function useBy(process: string, mountPoint: string): Promise<string | undefined> {
  const isBelow = (path: string): boolean => {
    return path === mountPoint || path.startsWith(`${mountPoint}/`)
  }
  const places = { cwd: 'is in', root: 'has as its root', exe: 'runs' } as const
  for (const [name, how] of Object.entries(places)) {
    const path = await readlink(join(process, name)).catch(() => '')
    if (isBelow(path)) return `${how} ${path}`
  }
  for (const fd of await readdir(join(process, 'fd')).catch(() => [])) {
    const path = await readlink(join(process, 'fd', fd)).catch(() => '')
    if (isBelow(path)) return `has ${path} open`
  }
  const maps = await readFile(join(process, 'maps'), 'utf8').catch(() => '')
  const mapped = maps.split('\n').find((line) => isBelow(line.slice(line.indexOf('/'))))
  return mapped && `has ${mapped.slice(mapped.indexOf('/'))} mapped`
}

async function nameOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')).trim()
}
