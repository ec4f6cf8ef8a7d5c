/** Options of `make bench ARGS="..."`. */
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseSize } from '../src/options/size.ts'
import { targetNames, type TargetName } from './targets/open-targets.ts'
import type { Scale } from './workloads/workload.ts'

export const HELP = `Compare CacheFS with the disk below it and with other FUSE file systems.

  --size 256M         the large file
  --files 2000        small files in one directory
  --operations 4000   random reads or writes of 4 KiB
  --rounds 3          rounds; the table shows medians
  --budget 10         seconds after which a workload of many small steps ends early
  --targets a,b       of ${targetNames.join(', ')}
  --only TEXT         only workloads with this in their name, and those that make the files
  --directory DIR     where all of it happens; default: the folder for temporary files
  --markdown          write the table into docs/BENCHMARKS.md, beside printing it
  --profile DIR       write CPU profiles of our node to DIR, one per thread
  --help`

const FLAGS = {
  size: { type: 'string', default: '256M' },
  files: { type: 'string', default: '2000' },
  operations: { type: 'string', default: '4000' },
  rounds: { type: 'string', default: '3' },
  budget: { type: 'string', default: '10' },
  targets: { type: 'string', default: targetNames.join(',') },
  only: { type: 'string', default: '' },
  directory: { type: 'string', default: tmpdir() },
  markdown: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

export interface BenchOptions {
  scale: Scale
  rounds: number
  targets: TargetName[]
  only: string
  directory: string
  markdown: boolean
  profileDirectory: string | undefined
  help: boolean
}

/** Throws with a remedy if a flag is invalid. */
export function readBenchOptions(args: string[]): BenchOptions {
  const { values } = parseArgs({ args, options: FLAGS })
  const targets = values.targets.split(',').filter((it) => it !== '')
  for (const name of targets) {
    if (!isTargetName(name)) throw new Error(`--targets takes ${targetNames.join(', ')}`)
  }
  return {
    scale: {
      sizeBytes: parseSize(values.size),
      files: positive('files', values.files),
      operations: positive('operations', values.operations),
      budgetMs: positive('budget', values.budget) * 1000,
    },
    rounds: positive('rounds', values.rounds),
    targets: ['native', 'cachefs', ...targets.filter(isTargetName)],
    only: values.only,
    directory: resolve(values.directory),
    markdown: values.markdown,
    profileDirectory: values.profile === undefined ? undefined : resolve(values.profile),
    help: values.help,
  }
}

function isTargetName(name: string): name is TargetName {
  return (targetNames as string[]).includes(name)
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${flag} takes 1 or more`)
  return number
}
