/**
 * An Ed25519 key pair. A signature proves that a message is from the owner of the private key. The
 * public key is sent as text: its 32 bytes in base64url.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { FsError } from './fs-error.ts'

/** 32 bytes in base64url. */
export const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/
export const SIGNATURE_BYTES = 64

export class SigningKey {
  readonly #key: KeyObject
  readonly publicKey: string

  private constructor(key: KeyObject) {
    this.#key = key
    this.publicKey = createPublicKey(key).export({ format: 'jwk' }).x ?? ''
  }

  static generate(): SigningKey {
    return new SigningKey(generateKeyPairSync('ed25519').privateKey)
  }

  /** EINVAL: the text was not made by `export`. */
  static parse(text: string): SigningKey {
    try {
      const der = { key: Buffer.from(text, 'base64url'), format: 'der', type: 'pkcs8' } as const
      const key = createPrivateKey(der)
      if (key.asymmetricKeyType === 'ed25519') return new SigningKey(key)
    } catch {
      // The cause is not passed on, since it may contain the key.
    }
    throw new FsError('EINVAL', 'this is no Ed25519 key')
  }

  /** The private key; write it only to its own file. */
  export(): string {
    return this.#key.export({ format: 'der', type: 'pkcs8' }).toString('base64url')
  }

  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#key)
  }
}

/** Whether the message was signed with the private key that belongs to `publicKey`. */
export function isSignedBy(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  if (!PUBLIC_KEY.test(publicKey) || signature.length !== SIGNATURE_BYTES) return false
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicKey }
    return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature)
  } catch {
    return false
  }
}
