/**
 * Runs `cachefs up` in the background: starts the same program as a process of its own session with
 * output to the log, and waits until it is ready or has failed. The child gets the same arguments
 * except secrets, which are passed in its environment. The IPC channel to its parent marks it as
 * the process that runs the node.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { longFlags, withTwoDashes } from '../options/long-flags.ts'
import { secretFlags, splitSecrets } from '../options/secret-arguments.ts'
import type { StateFolder } from '../machine/state-folder.ts'

interface Ready {
  mountPoint: string
  apiUrl: string
}

export async function startDetached(program: Command, folder: StateFolder): Promise<Ready> {
  await using log = await open(folder.logFile, 'a', 0o600)
  const { size } = await log.stat()
  const [, script = '', ...args] = process.argv
  const given = withTwoDashes(args, longFlags(program))
  const { rest, environment } = splitSecrets(given, secretFlags(program))
  const child = spawn(process.execPath, [...process.execArgv, script, ...rest], {
    detached: true,
    env: { ...process.env, ...environment },
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  })
  const ready = await firstMessage(child)
  if (ready === undefined) throw new Error(await lastWords(folder.logFile, size))
  child.disconnect()
  child.unref()
  return ready
}

/** First message of the child; undefined if it exits without one. */
async function firstMessage(child: ChildProcess): Promise<Ready | undefined> {
  const ended = once(child, 'exit').then(() => undefined)
  const said = once(child, 'message').then(([message]) => message as Ready)
  return await Promise.race([said, ended])
}

async function lastWords(logFile: string, offset: number): Promise<string> {
  const log = (await readFile(logFile)).subarray(offset).toString()
  const line = log.trim().split('\n').at(-1) ?? ''
  return `the node did not start: ${line} (the log is ${logFile})`
}
