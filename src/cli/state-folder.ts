/**
 * The folder of a node that `cachefs up` started (`~/.cachefs`): its mount point, its NVMe folder,
 * the folder that is its cloud, its log, and `node.json`: which process runs it, where its API is.
 * A process id alone would name any process that got the number later, so the time at which the
 * process started is kept beside it.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { NodeDefaults } from './node-options.ts'

export interface NodeRecord {
  pid: number
  /** Clock ticks after boot. */
  startedAt: string
  mountPoint: string
  apiUrl: string
}

export class StateFolder {
  readonly path: string

  constructor(path: string = join(homedir(), '.cachefs')) {
    this.path = resolve(path)
  }

  get logFile(): string {
    return join(this.path, 'node.log')
  }

  /** The flags of a node that lives here. */
  get nodeDefaults(): NodeDefaults {
    return {
      mount: join(this.path, 'mount'),
      nvme: join(this.path, 'nvme'),
      'cloud-dir': join(this.path, 'cloud'),
    }
  }

  async make(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 })
  }

  /** The node that runs here now, if one does. */
  async running(): Promise<NodeRecord | undefined> {
    const record = await this.#read()
    if (record === undefined) return undefined
    return (await startOf(record.pid)) === record.startedAt ? record : undefined
  }

  /** This process runs the node. */
  async record(node: { mountPoint: string; apiUrl: string }): Promise<void> {
    const { mountPoint, apiUrl } = node
    const startedAt = (await startOf(process.pid)) ?? ''
    const record: NodeRecord = { pid: process.pid, startedAt, mountPoint, apiUrl }
    const temporary = `${this.#file}.${process.pid}`
    await writeFile(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 })
    await rename(temporary, this.#file)
  }

  async forget(): Promise<void> {
    await rm(this.#file, { force: true })
  }

  get #file(): string {
    return join(this.path, 'node.json')
  }

  async #read(): Promise<NodeRecord | undefined> {
    try {
      return JSON.parse(await readFile(this.#file, 'utf8')) as NodeRecord
    } catch {
      // None was written, or half of one: either way nobody is known to run here.
      return undefined
    }
  }
}

/** When a process started, in clock ticks after boot; undefined where there is no such process. */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in parentheses that may hold anything; start time is the 22nd.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
