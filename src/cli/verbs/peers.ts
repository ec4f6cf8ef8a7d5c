/**
 * `cachefs peers`: lists the nodes that have joined a cluster; revokes or removes one. It calls the
 * coordinator, since a node has no authority over other nodes.
 */
import type { Command } from 'commander'
import { describe } from '../../base/fs-error.ts'
import type { Member } from '../../http/coordinator/coordinator-status.ts'
import type { PeerStatus } from '../../tiers/peers/peer-status.ts'
import { JSON_FLAG } from '../api-flags.ts'
import { addFlags, optionalFlag, readFlags } from '../../options/flag.ts'
import { KEY_FLAGS, givenKey, parseUrl } from '../../options/node-flags.ts'
import { print } from '../output.ts'
import { allRunning, keyAt } from '../../machine/running-record.ts'
import { UsageError } from '../../options/usage-error.ts'

const ANSWER_TIMEOUT_MS = 30_000

const FLAGS = {
  ...JSON_FLAG,
  coordinator: optionalFlag({
    value: '<url>',
    about: 'URL of the coordinator, http://host:port; not needed for one on this machine',
    parse: (text) => parseUrl(/^https?:/.test(text) ? text : `http://${text}`),
  }),
  ...KEY_FLAGS,
}

const ACTIONS = ['list', 'revoke', 'remove'] as const
const HELP = `
revoke ends the link of a node and blocks its id and key.
remove frees the id of a node that is gone, so that another node can use it.`

type Ask = (path: string, method?: string) => Promise<Response>

export function addPeers(program: Command): void {
  const command = program
    .command('peers')
    .argument('[action]', `${ACTIONS.join(', ')} (default list)`)
    .argument('[id]', 'id of the node to revoke or remove')
    .description('List the nodes of a cluster; revoke or remove a node')
    .addHelpText('after', HELP)
  addFlags(command, FLAGS)
  command.action(async (name = 'list', id?: string) => {
    const values = readFlags(command, FLAGS, process.env)
    const action = ACTIONS.find((it) => it === name)
    if (action === undefined) throw new UsageError(`peers ${name}: give ${ACTIONS.join(', ')}`)
    if ((action === 'list') !== (id === undefined)) {
      throw new UsageError('give the id of a node to revoke or remove, and none to list')
    }
    const ask = await asking(values.coordinator, givenKey(values))
    if (action === 'list') await list(ask, values.json)
    else await end(ask, action, id!)
  })
}

async function end(ask: Ask, action: 'revoke' | 'remove', id: string): Promise<void> {
  const path = `/api/peers/${encodeURIComponent(id)}`
  if (action === 'remove') await ask(path, 'DELETE')
  else await ask(`${path}/revoke`, 'POST')
  const next = 'if it knew the join token, make another: coordinator join-token --rotate'
  console.log(action === 'remove' ? `${id} is removed` : `${id} is revoked; ${next}`)
}

async function list(ask: Ask, json: boolean): Promise<void> {
  const members = (await (await ask('/api/peers/members')).json()) as Member[]
  const there = (await (await ask('/api/peers')).json()) as PeerStatus[]
  const states = new Map(there.map(({ id, state }) => [id, state]))
  const peers = members.map((member) => {
    const state = member.revoked === null ? (states.get(member.id) ?? 'away') : 'revoked'
    return { ...member, state }
  })
  if (json) {
    print(peers, json)
    return
  }
  const width = Math.max(4, ...peers.map(({ id }) => id.length))
  for (const { id, state, joined, revoked } of peers) {
    const until = revoked === null ? '' : `, revoked ${revoked}`
    console.log(`${id.padEnd(width)}  ${state.padEnd(8)}  joined ${joined}${until}`)
  }
}

async function asking(given: string | undefined, key: string | undefined): Promise<Ask> {
  const url = given ?? (await ownCoordinator())
  const apiKey = key ?? (await keyAt(url))
  return async (path, method = 'GET') => {
    let response: Response
    try {
      const headers: Record<string, string> = apiKey === undefined ? {} : { 'x-api-key': apiKey }
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
      response = await fetch(`${url}${path}`, { method, headers, signal })
    } catch (error) {
      throw new Error(`no coordinator answers at ${url}: ${describe(error)}`, { cause: undefined })
    }
    if (response.ok) return response
    const { error } = (await response.json().catch(() => ({}))) as { error?: { message: string } }
    throw new Error(`the coordinator ${url}: ${error?.message ?? `status ${response.status}`}`)
  }
}

async function ownCoordinator(): Promise<string> {
  const found = (await allRunning()).filter(({ kind }) => kind === 'coordinator')
  const [only] = found
  if (only?.apiUrl !== undefined && found.length === 1) return only.apiUrl
  const what = found.length === 0 ? 'no coordinator runs here' : 'several coordinators run here'
  throw new UsageError(`${what}: say which with --coordinator http://host:port`)
}
