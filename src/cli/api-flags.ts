/**
 * Flags of verbs that call a node, and the connection that results from them: the node
 * (node-choice.ts) and its key.
 *
 * Invariant: a key from a running record is sent only to the program that has the record, not to
 * another one that now listens at its address.
 */
import type { Command } from 'commander'
import { addFlags, optionalFlag, readFlags, switchFlag } from '../options/flag.ts'
import { findLocalMount } from '../machine/local-mount.ts'
import { NodeApi } from './node-api.ts'
import { chooseNode, type ChosenNode, type NodeWish } from './node-choice.ts'
import { KEY_FLAGS, givenKey, parsePath, parseUrl } from '../options/node-flags.ts'
import { keyOf } from '../machine/running-record.ts'
import { UsageError } from '../options/usage-error.ts'
import { volumePath } from '../options/volume-path.ts'

export const DIR_FLAG = {
  dir: optionalFlag({
    value: '<dir>',
    about:
      'state directory of the node: --dir of `cachefs up`, --nvme of a client (default ~/.cachefs)',
    parse: parsePath,
  }),
}

export const JSON_FLAG = { json: switchFlag('print JSON') }

const API_FLAGS = {
  ...DIR_FLAG,
  ...JSON_FLAG,
  api: optionalFlag({
    value: '<url>',
    about: "URL of the node's API; not needed for a node on this machine",
    parse: parseUrl,
  }),
  ...KEY_FLAGS,
}

/** Flags that the user gave about the node. */
export interface Wish extends NodeWish {
  key: string | undefined
  json: boolean
}

export interface Connection {
  api: NodeApi
  json: boolean
}

/** A node, with paths in its volume. */
export interface PathConnection {
  api: NodeApi
  paths: string[]
}

export function addApiFlags(command: Command): Command {
  addFlags(command, API_FLAGS)
  return command
}

export async function connect(command: Command): Promise<Connection> {
  const wish = wishOf(command)
  return { api: await apiOf(await chooseNode(wish), wish), json: wish.json }
}

/** Resolves one path to its node. */
export async function connectToPath(
  command: Command,
  text: string,
): Promise<Connection & { path: string }> {
  const { nodes, json } = await connectToPaths(command, [text])
  const [{ api, paths }] = nodes as [PathConnection]
  return { api, json, path: paths[0]! }
}

/** Groups paths by node, in the order of the paths. */
export async function connectToPaths(
  command: Command,
  texts: readonly string[],
): Promise<{ nodes: PathConnection[]; json: boolean }> {
  const wish = wishOf(command)
  const nodes = new Map<string, PathConnection>()
  for (const text of texts) {
    const mount = await findLocalMount(text)
    const target = await chooseNode(wish, mount)
    const node = nodes.get(target.url) ?? { api: await apiOf(target, wish), paths: [] }
    nodes.set(target.url, node)
    node.paths.push(mount?.path ?? (await pathElsewhere(node.api, text)))
  }
  return { nodes: [...nodes.values()], json: wish.json }
}

export function wishOf(command: Command): Wish {
  const { dir, json, api, ...keys } = readFlags(command, API_FLAGS, process.env)
  const given = command.opts<{ dir?: string; api?: string }>()
  // A flag on the command line takes precedence over the other one's environment variable.
  const isDirNow = given.dir !== undefined && given.api === undefined
  const isApiNow = given.api !== undefined && given.dir === undefined
  if (dir !== undefined && api !== undefined && !isDirNow && !isApiNow) {
    throw new UsageError(`--dir ${dir} and --api ${api}: give one of them`)
  }
  const key = givenKey(keys)
  return { json, key, dir: isApiNow ? undefined : dir, api: isDirNow ? undefined : api }
}

async function apiOf({ url, record }: ChosenNode, { key }: Wish): Promise<NodeApi> {
  const known = key ?? (record && (await keyOf(record)))
  return new NodeApi(url, known, record?.folder)
}

/**
 * A path that is on no mount of this machine: below the node's own mount point, or a path in the
 * volume.
 */
async function pathElsewhere(api: NodeApi, text: string): Promise<string> {
  const { mountPoint } = await api.status()
  return await volumePath(text, mountPoint)
}
