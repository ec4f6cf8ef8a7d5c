/**
 * Process that runs steps: reads lines of JSON, one for each new case (its directory) and one for
 * each run of steps, and answers each with a line of results.
 */
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { attributes } from './operations/attributes.ts'
import { directories } from './operations/directories.ts'
import { files } from './operations/files.ts'
import { locks } from './operations/locks.ts'
import { memory } from './operations/memory.ts'
import { names } from './operations/names.ts'
import { ProcessState, type Operations } from './operations/operation.ts'
import type { Order } from './actor.ts'
import type { Step } from './case.ts'
import { USERS } from './users.ts'

let state = new ProcessState()
const operations: Operations = {
  ...names,
  ...attributes,
  ...files,
  ...locks,
  ...memory,
  ...directories,
  umask(_, [mask]) {
    process.umask(Number.parseInt(mask!, 8))
    return undefined
  },
  cd(_, [name]) {
    process.chdir(name!)
    return undefined
  },
}

let user = 'root'

/** Sets the effective user, with which the kernel checks the following steps. */
function become(name: string): void {
  if (name === user) return
  const wanted = USERS[name]
  if (wanted === undefined) throw new Error(`there is no user '${name}'`)
  if (user !== 'root') process.seteuid?.(0)
  process.setgroups?.([...wanted.groups])
  process.setegid?.(wanted.gid)
  process.seteuid?.(wanted.uid)
  user = name
}

/** The directory of the case was lost in the power cut. */
let isLost = false

function run({ user: name, words: [operation = '', ...words] }: Step): string {
  if (isLost) return 'ELOST'
  try {
    become(name)
    const found = operations[operation]
    if (found === undefined) throw new Error(`there is no operation '${operation}'`)
    return found(state, words) ?? 'ok'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code
    return `broken: ${String(error)}`
  }
}

function enter({ directory, keeps }: Extract<Order, { directory: string }>): string[] {
  become('root')
  if (!keeps) state[Symbol.dispose]()
  state = new ProcessState()
  process.umask(0)
  isLost = !existsSync(directory)
  process.chdir(isLost ? '/' : directory)
  return []
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  const results = 'directory' in order ? enter(order) : order.steps.map(run)
  process.stdout.write(`${JSON.stringify(results)}\n`)
}
