/**
 * Notation of bytes in steps and results: text as it is, `x*4096` for a run, `+` between parts, `.`
 * for a NUL byte, `""` for no bytes: `abc+.*4093`.
 */

export function bytesOf(text: string): Buffer {
  if (text === '""') return Buffer.alloc(0)
  const parts = text.split('+').map((part) => {
    const run = /^(.)\*(\w+)$/.exec(part)
    return run ? Buffer.alloc(numberOf(run[2]), byteOf(run[1]!)) : Buffer.from(part)
  })
  return Buffer.concat(parts.map((part) => zeroed(part)))
}

function byteOf(letter: string): number {
  return letter.charCodeAt(0)
}

function zeroed(part: Buffer): Buffer {
  return Buffer.from(part.map((byte) => (byte === 0x2e ? 0 : byte)))
}

/** Shortest notation of bytes: runs of four or more are folded. */
export function textOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return '""'
  const parts: string[] = []
  let text = ''
  for (let at = 0; at < bytes.length;) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    const letter = bytes[at] === 0 ? '.' : String.fromCharCode(bytes[at]!)
    if (end - at < 4) text += letter.repeat(end - at)
    else {
      if (text !== '') parts.push(text)
      text = ''
      parts.push(`${letter}*${end - at}`)
    }
    at = end
  }
  if (text !== '') parts.push(text)
  return parts.join('+')
}

const UNITS: Readonly<Record<string, number>> = {
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
}

/** Parses a number with an optional unit: 4K, 16M. */
export function numberOf(text: string | undefined): number {
  const unit = UNITS[text?.at(-1) ?? ''] ?? 0
  const value = unit === 0 ? Number(text) : Number(text!.slice(0, -1)) * unit
  if (text === undefined || !Number.isFinite(value)) throw new Error(`'${text}' is no number`)
  return value
}
