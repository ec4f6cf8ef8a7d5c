/**
 * Reporter of `make test`: one line per test file, then the failures and the summary in the format
 * of Node's `spec` reporter. Passing tests are not listed (`make test-verbose` lists them).
 */
import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { spec } from 'node:test/reporters'
import type { TestEvent } from 'node:test/reporters'

const QUIET = new Set(['test:enqueue', 'test:dequeue', 'test:start', 'test:pass', 'test:stdout'])

async function* loudEvents(source: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of source) {
    if (!QUIET.has(event.type)) yield event
  }
}

function fileLine(event: Extract<TestEvent, { type: 'test:summary' }>): string {
  const { counts, duration_ms: durationMs, file, success } = event.data
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  const seconds = (durationMs / 1000).toFixed(1)
  const name = relative(process.cwd(), file ?? '')
  return `${success ? '✔' : '✖'} ${name}: ${counts.passed} passed${skipped} (${seconds} s)\n`
}

export default async function* testReporter(
  source: AsyncIterable<TestEvent>,
): AsyncGenerator<string> {
  const lines: string[] = []
  async function* watched(): AsyncGenerator<TestEvent> {
    for await (const event of loudEvents(source)) {
      if (event.type === 'test:summary' && event.data.file !== undefined) {
        lines.push(fileLine(event))
      }
      yield event
    }
  }
  for await (const text of Readable.from(watched()).compose(new spec())) {
    yield* lines.splice(0)
    yield String(text)
  }
  yield* lines
}
