/**
 * Chooses the node of a verb. A path selects the node that serves its mount. Otherwise `--api` or
 * `--dir` does; otherwise it is the node in ~/.cachefs, the one at the default address, or the only
 * one that runs on this machine.
 *
 * Invariant: a node that the user names is used or the verb fails; a verb never picks one of
 * several nodes arbitrarily.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { programOf, serves, type LocalMount } from '../machine/local-mount.ts'
import { allRunning, runningAt, runningIn, type RunningRecord } from '../machine/running-record.ts'
import { UsageError } from '../options/usage-error.ts'

const USUAL_API = 'http://127.0.0.1:8081'

/** Flags that the user gave; at most one of them. */
export interface NodeWish {
  dir: string | undefined
  api: string | undefined
}

export interface ChosenNode {
  url: string
  /** Undefined: no program of this machine is known at the URL. */
  record: RunningRecord | undefined
}

export async function chooseNode(wish: NodeWish, mount?: LocalMount): Promise<ChosenNode> {
  const { dir, api } = wish
  if (dir === undefined && api === undefined) {
    return mount === undefined ? await usual() : targetOf(await nodeOf(mount))
  }
  const target = dir === undefined ? await nodeAt(api!) : await nodeIn(dir)
  const { record } = target
  if (mount && record && !serves(record, mount.device)) {
    const flag = dir === undefined ? `--api ${api}` : `--dir ${dir}`
    throw new UsageError(`another node serves ${mount.mountPoint}: leave ${flag} out`)
  }
  return target
}

async function nodeAt(url: string): Promise<ChosenNode> {
  return { url, record: await runningAt(url) }
}

async function nodeIn(dir: string): Promise<ChosenNode> {
  const record = await runningIn(dir, 'node')
  if (record !== undefined) return targetOf(record)
  throw new Error(`no node runs in ${dir}: start one there, or name another folder with --dir`)
}

function targetOf(record: RunningRecord): ChosenNode {
  return { url: record.apiUrl ?? USUAL_API, record }
}

/** The default node. UsageError if there are several candidates. */
async function usual(): Promise<ChosenNode> {
  const own = await runningIn(join(homedir(), '.cachefs'), 'node')
  if (own) return targetOf(own)
  const nodes = (await allRunning()).filter(({ kind }) => kind === 'node')
  const atUsual = nodes.find(({ apiUrl }) => apiUrl === USUAL_API)
  if (atUsual) return targetOf(atUsual)
  if (nodes.length > 1) {
    const list = nodes.map(({ mountPoint, folder }) => `${mountPoint} (--dir ${folder})`)
    throw new UsageError(`several nodes run here: say which with --dir. ${list.join(', ')}`)
  }
  return nodes[0] ? targetOf(nodes[0]) : { url: USUAL_API, record: undefined }
}

async function nodeOf(mount: LocalMount): Promise<RunningRecord> {
  const { mountPoint } = mount
  const record = await programOf(mount)
  if (record?.kind === 'node') return record
  if (record === undefined) {
    throw new Error(
      `no running node is known to serve the mount ${mountPoint}: start it, ` +
        'or say which it is with --dir or --api',
    )
  }
  throw new Error(
    `${mountPoint} is a mount of \`cachefs mount\`, which has no API: ` +
      '`getfattr --only-values -n user.cachefs.status PATH` shows what it holds',
  )
}
