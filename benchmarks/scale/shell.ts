/** Programs that the tables of `make bench-scale` run concurrently. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Returns the output of a command; throws if it fails. */
export async function run(command: string): Promise<string> {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ended with ${code}`)
  return output
}
