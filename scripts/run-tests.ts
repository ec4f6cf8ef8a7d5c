/**
 * Runs all test files, as `node --test` does, except that the longest start first: none of them
 * runs alone at the end. `--verbose` lists passing tests too.
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import testReporter from './test-reporter.ts'

const ROOT = join(import.meta.dirname, '..')
const PATTERNS = ['src/**/*.test.ts', 'test/**/*.test.ts']
/** Test files that run at once: much of their time is waiting. */
const AT_ONCE = 3
const TIMEOUT_MS = 600_000

/** Files of more than half a minute on two cores, the longest first. */
const LONGEST = [
  'test/conformance/conformance.test.ts',
  'test/mount/passthrough-writes.test.ts',
  'test/cluster/durability.test.ts',
  'test/mount/real-tools.test.ts',
  'test/mount/passthrough.test.ts',
  'test/mount/outlived.test.ts',
  'test/conformance/power-cut.test.ts',
  'test/mount/crash-points.test.ts',
  'test/cluster/restored-coordinator.test.ts',
  'test/cluster/on-postgres.test.ts',
  'test/mount/crash-loop.test.ts',
  'test/failures/several.test.ts',
  'test/cluster/interrupted-waits.test.ts',
  'test/cluster/mapped-elsewhere.test.ts',
  'test/mount/damaged-files.test.ts',
  'test/mount/bad-start.test.ts',
  'test/cluster/coordinator-away.test.ts',
  'test/mount/small-space.test.ts',
]

function testFiles(): string[] {
  const files = globSync(PATTERNS, { cwd: ROOT }).sort()
  const unknown = LONGEST.filter((name) => !files.includes(name))
  if (unknown.length > 0) throw new Error(`no test file: ${unknown.join(', ')} (run-tests.ts)`)
  return [...new Set([...LONGEST, ...files])].map((name) => join(ROOT, name))
}

const events = run({ cwd: ROOT, files: testFiles(), concurrency: AT_ONCE, timeout: TIMEOUT_MS })
events.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1
})
const isVerbose = process.argv.includes('--verbose')
events.compose(isVerbose ? new spec() : testReporter).pipe(process.stdout)
