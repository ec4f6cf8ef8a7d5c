/** The first line that a program prints about itself, or NotMeasured with how to get it. */
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
