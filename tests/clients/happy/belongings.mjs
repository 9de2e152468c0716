// What an account has besides its sessions' words: attachments, tokens of vendors, tokens for pushes, notices.

import { randomBytes } from 'node:crypto'
import { home, library, play, server, tell, until } from './here.mjs'
import { Person } from './person.mjs'
import { Phone } from './phone.mjs'

play(async () => {
  const { ApiClient } = await library('happy')
  const person = await Person.signsUp()
  const phone = await Phone.joins(person)
  const api = await ApiClient.create(person.credentials(process.env.CREDENTIALS))
  const metadata = { path: home, host: 'laptop', homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home }
  const session = await api.getOrCreateSession({ tag: 'a', metadata, state: null })
  const laptop = api.sessionSyncClient(session)
  await until('the session is connected', () => laptop.socket.connected)

  const data = new Uint8Array(randomBytes(300_000))
  const { ev } = await laptop.uploadLocalImageAttachmentEnvelope({ data, mimeType: 'image/png', name: 'a.png' })
  const back = await laptop.downloadAndDecryptAttachment(ev.ref)
  const named = ev.ref.match(/^sessions\/(\w+)\/attachments\/([0-9a-f-]{36}\.enc)$/)
  const without = await fetch(`${server}/v1/sessions/${session.id}/attachments/${named[2]}`)
  const files = await fetch(`${server}/files/${ev.ref}`)
  tell({
    attachment: {
      same: Buffer.compare(Buffer.from(back), Buffer.from(data)) === 0,
      ofSession: named[1] === session.id,
      without: without.status,
      files: files.status,
    },
  })

  await api.registerVendorToken('openai', { key: 'made up' })
  tell({ vendor: [await api.getVendorToken('openai'), await api.getVendorToken('gemini')] })

  api.push().sendSessionNotification({ kind: 'done', metadata, data: { sessionId: session.id } })
  const notice = await phone.ephemeral('session-event')
  await person.asks('POST', '/v1/push-tokens', { token: 'ExponentPushToken[made-up]' })
  const tokens = await api.push().fetchPushTokens()
  tell({ notice: [notice.sessionId === session.id, notice.kind], tokens: tokens.map(({ token }) => token) })
})
