/**
 * Runs a program of the system (mount, umount) with a timeout. These do what needs privileges or a
 * helper, and they explain failures. Standard error is kept (bounded) for the error message;
 * standard input and output are empty.
 */
import { spawn } from 'node:child_process'

const STDERR_CHARACTERS = 2000

export interface CommandResult {
  /** Exit status; undefined if the program could not be started or was killed. */
  status: number | undefined
  /** Standard error of the program, or why it did not run. */
  message: string
}

export function runCommand(
  program: string,
  args: readonly string[],
  options: { timeoutMs: number; /** Becomes descriptor 3 of the program. */ inheritFd?: number },
): Promise<CommandResult> {
  const { inheritFd } = options
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', ...(inheritFd === undefined ? [] : [inheritFd])],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
    env: { ...process.env, LC_ALL: 'C' },
  })
  let message = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    message = (message + text).slice(0, STDERR_CHARACTERS)
  })
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: undefined, message: error.message }))
    child.on('close', (status, signal) => {
      if (signal !== null) message += ` (${program} was terminated by ${signal})`
      resolve({ status: status ?? undefined, message: message.trim() })
    })
  })
}
