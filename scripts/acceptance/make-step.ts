/** A C program is compiled in parallel in the mount, linked, run, and rebuilt after changes. */
import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireEqual, run } from './stage.ts'
import type { Stage } from './stage.ts'

export function makeStep(stage: Stage, { modules }: { modules: number }): void {
  const here = stage.onMount('make')
  const there = stage.local('make')
  const outputs = [here, there].map((directory) => {
    writeProgram(directory, modules)
    const built = build(directory)
    const again = build(directory)
    utimesSync(join(directory, 'module-1.c'), new Date(), new Date(Date.now() + 2000))
    const rebuilt = build(directory)
    rmSync(join(directory, 'module-2.o'))
    const restored = build(directory)
    const { stdout } = run('./program', [], { cwd: directory })
    run('make', ['clean'], { cwd: directory })
    return [built, again, rebuilt, restored, stdout].join('--\n')
  })
  requireEqual('make', outputs[0]!, outputs[1]!)
  stage.say(`make: ${modules} modules built, run, rebuilt where touched or missing: as locally`)
}

function build(directory: string): string {
  return run('make', ['-j1', '--no-print-directory'], { cwd: directory }).stdout
}

function writeProgram(directory: string, modules: number): void {
  const numbers = Array.from({ length: modules }, (_, at) => at)
  for (const at of numbers) {
    const text = `#include "all.h"\nint f${at}(int x) { return x * ${at + 1} + ${at}; }\n`
    writeFileSync(join(directory, `module-${at}.c`), text)
  }
  const declared = numbers.map((at) => `int f${at}(int);`).join('\n')
  writeFileSync(join(directory, 'all.h'), `${declared}\n`)
  const calls = numbers.map((at) => `  printf("%d\\n", f${at}(${at}));`).join('\n')
  const main = `#include <stdio.h>\n#include "all.h"\nint main(void) {\n${calls}\n  return 0;\n}\n`
  writeFileSync(join(directory, 'main.c'), main)
  const objects = ['main.o', ...numbers.map((at) => `module-${at}.o`)].join(' ')
  const rules = [
    `program: ${objects}`,
    '\tcc -o $@ $^',
    '%.o: %.c all.h',
    '\tcc -O1 -c -o $@ $<',
    'clean:',
    '\trm -f program *.o',
  ]
  writeFileSync(join(directory, 'Makefile'), `${rules.join('\n')}\n`)
}
