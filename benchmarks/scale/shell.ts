/** Programs that the tables of `make bench-scale` run beside each other. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What a command writes; it has to succeed. */
export async function run(command: string): Promise<string> {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ended with ${code}`)
  return output
}
