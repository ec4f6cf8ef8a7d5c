/** First line of a program's version output; throws NotMeasured with how to install it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { NotMeasured } from '../not-measured.ts'

export async function versionOf(command: string, flag: string, howToGet: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, [flag])
    return stdout.split('\n')[0]?.trim() ?? ''
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    throw new NotMeasured(`is not installed: ${howToGet}`)
  }
}
