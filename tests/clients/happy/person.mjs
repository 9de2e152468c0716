// Somebody with a Happy account: the keys, the sign-in, and what a phone would do for a terminal.
//
// Written from the protocol alone, with the clients' own cryptography library, so that it shares no mistake with us.

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nacl, server } from './here.mjs'

export const base64 = (bytes) => Buffer.from(bytes).toString('base64')
export const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))

export class Person {
  /** Makes an account with a secret of its own. */
  static async signsUp() {
    const person = new Person(randomBytes(32))
    await person.signIn()
    return person
  }
  constructor(secret) {
    this.secret = new Uint8Array(secret)
    this.machineKey = new Uint8Array(randomBytes(32))
    this.content = contentKeys(this.secret)
  }
  async signIn() {
    const pair = nacl.sign.keyPair.fromSeed(this.secret)
    const challenge = randomBytes(32)
    const signature = nacl.sign.detached(new Uint8Array(challenge), pair.secretKey)
    const answer = await this.asks('POST', '/v1/auth', {
      publicKey: base64(pair.publicKey),
      challenge: base64(challenge),
      signature: base64(signature),
    })
    if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${JSON.stringify(answer.body)}`)
    this.token = answer.body.token
  }
  async asks(method, path, body, url = server) {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  }
  /** What `ApiClient.create` wants. */
  credentials(kind) {
    const encryption =
      kind === 'legacy'
        ? { type: 'legacy', secret: this.secret }
        : { type: 'dataKey', publicKey: this.content.publicKey, machineKey: this.machineKey }
    return { token: this.token, encryption }
  }
  /** A home folder as a sign-in leaves it. */
  settlesIn(home, kind) {
    const { publicKey } = this.content
    const kept =
      kind === 'legacy'
        ? { secret: base64(this.secret), token: this.token }
        : { encryption: { publicKey: base64(publicKey), machineKey: base64(this.machineKey) }, token: this.token }
    this.machineId = randomUUID()
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'access.key'), JSON.stringify(kept))
    const settings = { schemaVersion: 2, onboardingCompleted: true, machineId: this.machineId }
    writeFileSync(join(home, 'settings.json'), JSON.stringify(settings))
    return JSON.parse(readFileSync(join(home, 'settings.json'), 'utf8'))
  }
  /** The key of a session or machine, from what the server keeps of it. */
  keyOf(record) {
    if (record.dataEncryptionKey === null) return { variant: 'legacy', key: this.secret }
    const wrapped = bytes(record.dataEncryptionKey)
    if (wrapped[0] !== 0) throw new Error('a wrapped key begins with zero')
    return { variant: 'dataKey', key: unbox(wrapped.slice(1), this.content.secretKey) }
  }
}

/** `I = HMAC(…)`: the left half is a node's key, the right one leads on to its children. */
function derived(master, usage, path) {
  const node = (key, data) => createHmac('sha512', key).update(data).digest()
  let at = node(`${usage} Master Seed`, master)
  for (const index of path) at = node(at.subarray(32), Buffer.concat([Buffer.from([0]), Buffer.from(index)]))
  return new Uint8Array(at.subarray(0, 32))
}

function contentKeys(secret) {
  const seed = derived(secret, 'Happy EnCoder', ['content'])
  const hashed = createHash('sha512').update(seed).digest().subarray(0, 32)
  return nacl.box.keyPair.fromSecretKey(new Uint8Array(hashed))
}

/** ephemeral key, nonce, box */
export function boxed(plain, to) {
  const ephemeral = nacl.box.keyPair()
  const nonce = new Uint8Array(randomBytes(24))
  return Buffer.concat([ephemeral.publicKey, nonce, nacl.box(plain, nonce, to, ephemeral.secretKey)])
}

function unbox(bundle, secretKey) {
  const plain = nacl.box.open(bundle.slice(56), bundle.slice(32, 56), bundle.slice(0, 32), secretKey)
  if (!plain) throw new Error('the box does not open')
  return plain
}

/** Seals a value as a phone would. */
export function seal({ variant, key }, value) {
  const plain = Buffer.from(JSON.stringify(value))
  if (variant === 'legacy') {
    const nonce = new Uint8Array(randomBytes(24))
    return base64(Buffer.concat([nonce, nacl.secretbox(new Uint8Array(plain), nonce, key)]))
  }
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return base64(Buffer.concat([Buffer.from([0]), nonce, sealed, cipher.getAuthTag()]))
}

/** Opens what a client sealed. Nothing inside is no value. */
export function open({ variant, key }, text) {
  const bundle = bytes(text)
  let plain
  if (variant === 'legacy') {
    plain = nacl.secretbox.open(bundle.slice(24), bundle.slice(0, 24), key)
    if (!plain) throw new Error('the seal does not open')
  } else {
    const decipher = createDecipheriv('aes-256-gcm', key, bundle.slice(1, 13))
    decipher.setAuthTag(bundle.slice(-16))
    plain = Buffer.concat([decipher.update(bundle.slice(13, -16)), decipher.final()])
  }
  return plain.length === 0 ? undefined : JSON.parse(Buffer.from(plain).toString())
}
