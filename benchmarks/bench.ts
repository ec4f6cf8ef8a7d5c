/**
 * `make bench`: compares CacheFS with the underlying disk and with other FUSE file systems in one
 * run. All processes that it starts are stopped at the end, also on failure or interruption; a
 * second Ctrl-C is not needed, because each step has its own deadline.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HELP, readBenchOptions, type BenchOptions } from './bench-options.ts'
import { Driver } from './driver.ts'
import { Measurement } from './measurement.ts'
import { Report } from './report.ts'
import { Results } from './results.ts'
import { openTargets } from './targets/open-targets.ts'
import { allWorkloads, workloadKey } from './workloads/all-workloads.ts'

const DOCUMENT = join(import.meta.dirname, '../docs/BENCHMARKS.md')
const [BEGIN, END] = ['<!-- bench: begin -->', '<!-- bench: end -->']

async function bench(args: string[], options: BenchOptions, signal: AbortSignal): Promise<Report> {
  await using started = new AsyncDisposableStack()
  await mkdir(options.directory, { recursive: true })
  const directory = await mkdtemp(join(options.directory, 'cachefs-bench-'))
  started.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  const driver = new Driver(signal)
  const { profileDirectory } = options
  const setting = { directory, signal, profileDirectory }
  const { targets, missing } = await openTargets(options.targets, setting, started)
  started.use(driver)
  const workloads = allWorkloads.filter(
    (it) => it.isNeeded === true || workloadKey(it).includes(options.only),
  )
  const results = new Results(targets[0]!)
  const progress = (line: string): void => console.error(line)
  const parts = { options, targets, missing, workloads, driver, results, signal, progress, args }
  for (const { name, reason } of missing) progress(`without ${name}: it ${reason}`)
  await new Measurement(parts).run()
  progress('stopping')
  return new Report(parts)
}

async function writeDocument(report: Report): Promise<void> {
  const { format, resolveConfig } = await import('prettier')
  const text = await readFile(DOCUMENT, 'utf8')
  const [before, after] = [text.split(BEGIN)[0], text.split(END)[1]]
  if (before === undefined || after === undefined) {
    throw new Error(`${DOCUMENT} has lost its marks ${BEGIN} and ${END}`)
  }
  const whole = `${before}${BEGIN}\n\n${report.markdown()}\n\n${END}${after}`
  const style = (await resolveConfig(DOCUMENT)) ?? {}
  await writeFile(DOCUMENT, await format(whole, { ...style, parser: 'markdown' }))
}

async function main(args: string[]): Promise<void> {
  const options = readBenchOptions(args)
  if (options.help) {
    console.log(HELP)
    return
  }
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupted.abort(new Error(`${signal}: stopped`)))
  }
  const report = await bench(args, options, interrupted.signal)
  console.log(`\n${report.text()}`)
  if (options.markdown) await writeDocument(report)
  if (report.failures().length > 0) process.exitCode = 1
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
