/**
 * Conformance cases and the notation of their tables. A table is text: cases are separated by blank
 * lines, `# title` begins a case, and each further line is one step:
 *
 *   [two] [USER:] OPERATION ARGUMENT...  [-> RESULT]
 *
 * A step runs as root, or as USER (users.ts), in the first of two processes, or with `two` in the
 * second. `start` before the operation sends it without waiting for its end; a later step `finish`
 * of that process waits. RESULT is the output of the operation, `ok` if it prints nothing, or the
 * name of an errno. A step without RESULT must not fail, and `?` is the output on ext4.
 * Operations: operations/*.ts.
 */

export interface Step {
  /** The step as written, without the result. */
  text: string
  process: 'one' | 'two'
  user: string
  words: readonly string[]
  /** Sent without waiting for its end. */
  starts: boolean
  expected: string | undefined
}

export interface Case {
  /** Unique: `TABLE: TITLE`. */
  name: string
  steps: readonly Step[]
  /** Steps after the power cut; undefined if there is none. */
  afterCut: readonly Step[] | undefined
}

/** Parses the cases of a table; `title` names the table. */
export function table(title: string, text: string): Case[] {
  const blocks = text.split(/\n\s*\n/).map((block) => linesOf(block))
  return blocks.filter((lines) => lines.length > 0).map((lines) => caseOf(title, lines))
}

function linesOf(block: string): string[] {
  return block
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function caseOf(table: string, [first = '', ...lines]: readonly string[]): Case {
  if (!first.startsWith('# ')) throw new Error(`${table}: '${first}' is no title`)
  const name = `${table}: ${first.slice(2)}`
  const cut = lines.indexOf('power cut')
  const before = cut < 0 ? lines : lines.slice(0, cut)
  const afterCut = cut < 0 ? undefined : lines.slice(cut + 1).map(stepOf)
  return { name, steps: before.map(stepOf), afterCut }
}

function stepOf(line: string): Step {
  const [command = '', expected] = line.split(/\s+-> ?/)
  const words = command.split(/\s+/)
  const process = words[0] === 'two' ? 'two' : 'one'
  if (process === 'two') words.shift()
  const user = words[0]?.endsWith(':') === true ? words.shift()!.slice(0, -1) : 'root'
  const starts = words[0] === 'start'
  if (starts) words.shift()
  return { text: command, process, user, words, starts, expected }
}
