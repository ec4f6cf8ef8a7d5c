/**
 * CRC-32 of a line of text, in hexadecimal. Browsers do not have the one of `node:zlib`; lines are
 * short, so a simple implementation is fast enough.
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

const encoder = new TextEncoder()

export function crcOf(text: string): string {
  let crc = ~0
  for (const byte of encoder.encode(text)) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 255] ?? 0)
  return (~crc >>> 0).toString(16).padStart(8, '0')
}
