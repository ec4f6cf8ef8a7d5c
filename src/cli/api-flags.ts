/**
 * Which node a verb talks to: `--api`, or CACHEFS_API, or the node that `cachefs up` runs in the
 * state folder, or the usual address on this machine.
 */
import type { Command } from 'commander'
import { addFlags, optionalFlag, readFlags, switchFlag } from './flag.ts'
import { NodeApi } from './node-api.ts'
import { parsePath, parseUrl } from './node-flags.ts'
import { StateFolder } from './state-folder.ts'

const USUAL_API = 'http://127.0.0.1:8081'

export const DIR_FLAG = {
  dir: optionalFlag({
    value: '<dir>',
    about: 'folder of the node that `cachefs up` runs, ~/.cachefs unless given',
    parse: parsePath,
  }),
}

export const JSON_FLAG = { json: switchFlag('print JSON') }

const API_FLAGS = {
  ...DIR_FLAG,
  ...JSON_FLAG,
  api: optionalFlag({
    value: '<url>',
    about: `the node's API, ${USUAL_API} unless given or known`,
    parse: parseUrl,
  }),
  'api-key': optionalFlag({ value: '<key>', about: 'its key, if it has one', parse: String }),
}

export interface Connection {
  api: NodeApi
  folder: StateFolder
  json: boolean
}

export function addApiFlags(command: Command): Command {
  addFlags(command, API_FLAGS)
  return command
}

export async function connect(command: Command): Promise<Connection> {
  const { dir, json, api, 'api-key': key } = readFlags(command, API_FLAGS, process.env)
  const folder = new StateFolder(dir)
  const url = api ?? (await folder.running())?.apiUrl ?? USUAL_API
  return { api: new NodeApi(url, key), folder, json }
}
