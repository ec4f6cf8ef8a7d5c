/**
 * Records of the CacheFS programs that run on this machine: their mount points, APIs and keys.
 * `cachefs` uses them to find a node, and a node to find the key of a coordinator on the same
 * machine.
 *
 * A program writes its record twice. The one in its state folder has the key and mode 0600. The one
 * in the registry (/run/cachefs for root) has no key and is readable for every user, so users
 * without the key can still see which node serves a mount.
 *
 * Invariants: the record of a process that has ended is never returned, even if its pid is in use
 * again (the record has the start time of the process, and its PID namespace). Records are read
 * only from folders that belong to root or to this user.
 */
import {
  chmod,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { codeOf, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { isLoopback } from '../options/loopback.ts'
import { startOf } from './process-start.ts'

const recordSchema = z.object({
  /** A node (`up`, `client`), an attached file system (`mount`), or a coordinator. */
  kind: z.enum(['node', 'mount', 'coordinator']),
  pid: z.int().positive(),
  /** Start time in clock ticks after boot. */
  startedAt: z.string(),
  /** The PID namespace in which the pid is valid; older releases did not record it. */
  pidNamespace: z.string().optional(),
  /** State folder. */
  folder: z.string(),
  mountPoint: z.string().optional(),
  apiUrl: z.string().optional(),
  apiKey: z.string().optional(),
})

export type RunningRecord = z.infer<typeof recordSchema>
export type ProgramKind = RunningRecord['kind']
type Facts = Omit<RunningRecord, 'pid' | 'startedAt' | 'pidNamespace'>
/** Age of a record of another PID namespace after which it is removed, ms: it may have ended. */
const FOREIGN_MS = 30 * 24 * 3_600_000

/** Records that this process runs the program, until the result is disposed of. */
export async function recordRunning(facts: Facts, logger: Logger): Promise<AsyncDisposable> {
  const { pid } = process
  const pidNamespace = await ownNamespace()
  const record: RunningRecord = {
    ...facts,
    ...{ pid, startedAt: (await startOf(pid)) ?? '', pidNamespace },
  }
  const { apiKey: _, ...shown } = record
  const paths = [privateFile(facts.folder, facts.kind)]
  await put(paths[0]!, record, 0o600).catch((error: unknown) => {
    // A full disk must not prevent the start: the node uploads pending data, which makes room.
    if (codeOf(error) !== 'ENOSPC') throw error
    logger.warn(`--dir does not find this ${facts.kind}: ${describe(error)}`)
  })
  try {
    const registry = await ownRegistry()
    // Containers that share the registry use the same pids.
    paths.push(join(registry, `${/\d+/.exec(pidNamespace)?.[0] ?? 'any'}-${pid}.json`))
    await put(paths[1]!, shown, 0o644)
    await sweep(registry)
  } catch (error) {
    logger.info(`only --dir finds this ${facts.kind}: no registry of mounts: ${describe(error)}`)
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const path of paths) await rm(path, { force: true })
    },
  }
}

/** The running program of a kind in a state folder. */
export async function runningIn(
  folder: string,
  kind: ProgramKind,
): Promise<RunningRecord | undefined> {
  return await read(privateFile(folder, kind))
}

/** All running programs visible to this user, without keys. */
export async function allRunning(): Promise<RunningRecord[]> {
  const found: RunningRecord[] = []
  for (const registry of registries()) {
    if (!(await isTrusted(registry))) continue
    const names = (await readdir(registry)).filter((name) => name.endsWith('.json'))
    const records = await Promise.all(names.map((name) => read(join(registry, name))))
    found.push(...records.filter((record) => record !== undefined))
  }
  return found
}

/** The program that serves this URL on this machine. */
export async function runningAt(url: string): Promise<RunningRecord | undefined> {
  const wanted = addressOf(url)
  if (wanted === undefined) return undefined
  return (await allRunning()).find(({ apiUrl }) => apiUrl && addressOf(apiUrl) === wanted)
}

/** The API key of a program; undefined if this user may not read it. */
export async function keyOf({ folder, kind, pid }: RunningRecord): Promise<string | undefined> {
  const record = await read(privateFile(folder, kind))
  return record?.pid === pid ? record.apiKey : undefined
}

/** The API key of a program on this machine, by its URL. */
export async function keyAt(url: string): Promise<string | undefined> {
  const record = await runningAt(url)
  return record && (await keyOf(record))
}

/**
 * Normalized host and port of a URL. All loopback and wildcard addresses are equal: a program that
 * listens on all addresses is reached at each of them.
 */
function addressOf(url: string): string | undefined {
  const parsed = URL.parse(url)
  if (parsed === null) return undefined
  const { hostname, port, protocol } = parsed
  const isHere = isLoopback(hostname) || hostname === '0.0.0.0' || hostname === '[::]'
  return `${isHere ? 'here' : hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
}

function privateFile(folder: string, kind: ProgramKind): string {
  return join(folder, `${kind}.json`)
}

/** Root's registry first: its programs serve all users. */
function registries(): string[] {
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? ''
  return [
    '/run/cachefs',
    ...(runtime === '' ? [] : [join(runtime, 'cachefs')]),
    join(homedir(), '.cachefs/run'),
  ]
}

/** The first registry that this user may write to. */
async function ownRegistry(): Promise<string> {
  let failure: unknown
  for (const path of registries()) {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      // Regardless of the umask, other users may read it.
      if (await mkdir(path, { recursive: true })) await chmod(path, 0o755)
      if ((await stat(path)).uid === process.geteuid?.()) return path
    } catch (error) {
      failure = error
    }
  }
  throw new Error('no folder can be written', { cause: failure })
}

async function isTrusted(path: string): Promise<boolean> {
  try {
    const { uid, mode } = await stat(path)
    return (uid === 0 || uid === process.geteuid?.()) && (mode & 0o022) === 0
  } catch {
    return false
  }
}

/** Removes the records of killed processes. Those of other PID namespaces cannot be checked. */
async function sweep(registry: string): Promise<void> {
  for (const name of await readdir(registry)) {
    const path = join(registry, name)
    if (!name.endsWith('.json') || (await read(path)) !== undefined) continue
    if (!(await isForeign(path))) await rm(path, { force: true })
  }
}

async function isForeign(path: string): Promise<boolean> {
  try {
    const { pidNamespace } = recordSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    const isOther = pidNamespace !== undefined && pidNamespace !== (await ownNamespace())
    return isOther && Date.now() - (await stat(path)).mtimeMs < FOREIGN_MS
  } catch {
    return false
  }
}

async function ownNamespace(): Promise<string> {
  return await readlink('/proc/self/ns/pid').catch(() => '')
}

async function put(path: string, record: RunningRecord, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}`
  await rm(temporary, { force: true })
  try {
    await writeFile(temporary, `${JSON.stringify(record)}\n`, { flag: 'wx', mode })
    await chmod(temporary, mode)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function read(path: string): Promise<RunningRecord | undefined> {
  try {
    const record = recordSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    const { pidNamespace } = record
    if (pidNamespace !== undefined && pidNamespace !== (await ownNamespace())) return undefined
    return (await startOf(record.pid)) === record.startedAt ? record : undefined
  } catch {
    // There is no record, or this user may not read it: treated as not running.
    return undefined
  }
}
