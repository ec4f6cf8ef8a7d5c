/**
 * The documents (README, CONTRIBUTING, docs/), and checks of their contents: paths, links, `make`
 * targets, npm scripts, command lines. Each check is a function from a page to complaints, so that
 * a test can apply it to a faulty page.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { ROOT, productFiles, textFiles } from './source-files.ts'

export interface Page {
  /** Path from the root of the repository. */
  path: string
  text: string
}

/** Without the changelog, which also names removed files. */
export const pages: readonly Page[] = textFiles.filter(
  ({ path }) => path.endsWith('.md') && path !== 'CHANGELOG.md',
)

const FENCE = /^ *```[^\n]*\n([\s\S]*?)^ *```/gm
const PATH =
  /(?<![\w/.@-])(?:src|test|docs|scripts|benchmarks|k8s|examples|systemd|bin|\.ci)\/[\w./*-]*/g
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g
/**
 * A program as it is invoked, installed or not (`cachefs:0.1.0` is its image), with its arguments.
 */
const PROGRAM = String.raw`(cachefs)|(?:bin\/|cachefs-|cachefs:[\d.]+ )(cachefs|client|coordinator)`
const COMMAND = new RegExp(String.raw`(?<![\w/.:-])(?:${PROGRAM}) ([^|;&\n#]+)`, 'g')
const FLAG = /(?<=^|\s)--?([a-z][a-z0-9-]+)/g

/** Code of a page: fenced blocks with their continued lines joined, then inline code. */
export function codeOf({ text }: Page): string[] {
  const blocks = [...text.matchAll(FENCE)].map(([, code = '']) => code.replaceAll('\\\n', ' '))
  const prose = text.replaceAll(FENCE, '')
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline.map((code) => code.replaceAll(/\s+/g, ' '))]
}

export function missingPaths(page: Page): string[] {
  const found = [...page.text.replaceAll(LINK, '').matchAll(PATH)].map(([path]) => path)
  return [...new Set(found)]
    .map((path) => path.replace(/\.+$/, ''))
    .filter((path) => globSync(path, { cwd: ROOT }).length === 0)
    .map((path) => `${page.path}: there is no ${path}`)
}

export function brokenLinks(page: Page): string[] {
  const targets = [...page.text.matchAll(LINK)].map(([, target = '']) => target)
  return targets
    .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(page, target))
    .map((target) => `${page.path}: the link ${target} leads nowhere`)
}

function leadsSomewhere(page: Page, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? join(ROOT, page.path) : join(ROOT, dirname(page.path), path)
  if (!existsSync(file)) return false
  const text = path === '' ? page.text : file.endsWith('.md') ? readFileSync(file, 'utf8') : ''
  return anchor === undefined || headingsOf(text).includes(anchor)
}

/** Anchors of headings, as GitHub generates them. */
function headingsOf(text: string): string[] {
  const headings = [...text.replaceAll(FENCE, '').matchAll(/^#+ (.+)$/gm)]
  return headings.map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

export function missingTargets(page: Page): string[] {
  const makefile = readFileSync(join(ROOT, 'Makefile'), 'utf8')
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8')
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> }
  const code = codeOf(page).join('\n')
  const wanted = [...code.matchAll(/(?<![\w/.-])make ([a-z][a-z0-9-]*)/g)].map(([, it = '']) => it)
  const run = [...code.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, it = '']) => it)
  const isTarget = (target: string): boolean => new RegExp(`^${target}:`, 'm').test(makefile)
  return [
    ...wanted.filter((it) => !isTarget(it)).map((it) => `${page.path}: no target: make ${it}`),
    ...run.filter((it) => !(it in scripts)).map((it) => `${page.path}: no script: npm run ${it}`),
  ]
}

export interface CommandLine {
  program: string
  /** Empty for `client`, and for `coordinator` without a verb. */
  verb: string
  flags: string[]
}

export function commandsOf(page: Page): CommandLine[] {
  const found = codeOf(page).flatMap((code) => [...code.matchAll(COMMAND)])
  return found.map(([, bare, named, rest = '']) => {
    const program = bare ?? named ?? ''
    const verb = /^[a-z]+(?=\s|$)/.exec(rest)?.[0] ?? ''
    return { program, verb, flags: [...rest.matchAll(FLAG)].map(([, flag = '']) => flag) }
  })
}

/** The definitions of the programs, each read once. */
const programs = new Map<string, Promise<Command>>()

/** Runs the entry point until it would parse its arguments. */
async function readProgram(name: string): Promise<Command> {
  const { promise, resolve } = Promise.withResolvers<Command>()
  const whole = Object.getOwnPropertyDescriptor(Command.prototype, 'parseAsync')
  Command.prototype.parseAsync = async function (this: Command): Promise<Command> {
    resolve(this)
    return this
  }
  try {
    await import(join(ROOT, 'src/cli', `${name}.ts`))
    return await promise
  } finally {
    Object.defineProperty(Command.prototype, 'parseAsync', whole ?? {})
  }
}

/** Sequential, because each takes the definition that appears next. */
let reading: Promise<unknown> = Promise.resolve()

function programOf(name: string): Promise<Command> {
  const known = programs.get(name)
  if (known !== undefined) return known
  const program = reading.then(() => readProgram(name))
  reading = program
  programs.set(name, program)
  return program
}

export async function wrongCommands(page: Page): Promise<string[]> {
  const complaints: string[] = []
  for (const { program: name, verb, flags } of commandsOf(page)) {
    const program = await programOf(name)
    const spelt = [name, verb].join(' ').trim()
    const command = verb === '' ? program : verbOf(program, verb)
    if (command === undefined) {
      complaints.push(`${page.path}: no command: ${spelt}`)
      continue
    }
    const known = command.options.map(({ long }) => long)
    const unknown = flags.filter((flag) => flag !== 'help' && !known.includes(`--${flag}`))
    complaints.push(...unknown.map((flag) => `${page.path}: ${spelt} has no --${flag}`))
  }
  return complaints
}

function verbOf({ commands }: Command, verb: string): Command | undefined {
  return commands.find((it) => it.name() === verb || it.aliases().includes(verb))
}

/** Placeholders in quoted messages: `...`, and words in capitals. */
const NAMED = /s3:\/\/\.\.\.|\.\.\.|\b[A-Z]+\b/
/** Shorter parts would match anywhere. */
const PART_CHARACTERS = 9

/** Parts of quoted messages (three words or more) that are in no source file. */
export function unknownMessages(page: Page): string[] {
  // Strings concatenated over several lines are one message.
  const source = productFiles.map(({ text }) => text.replaceAll(/['`] \+\s+['`]/g, '')).join('\n')
  const quoted = codeOf(page).filter((code) => /^(\.\.\. ?)?[a-z]\S*( \S+){2,}$/i.test(code))
  const messages = quoted.filter((code) => !/^(cachefs|umount|modprobe) /.test(code))
  return messages.flatMap((message) => {
    const parts = message.split(NAMED).map((part) => part.trim())
    const unknown = parts.filter((it) => it.length >= PART_CHARACTERS && !source.includes(it))
    return unknown.map((part) => `${page.path}: no message has "${part}"`)
  })
}
