// A scripted ACP agent: it calls a tool, asks whether it may, and says what it was told.

import { createInterface } from 'node:readline'

const sends = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')
const updates = (sessionId, update) => sends({ method: 'session/update', params: { sessionId, update } })
const waiting = new Map()

async function works({ sessionId, prompt }) {
  const toolCallId = 'tool-1'
  const title = prompt[0].text
  updates(sessionId, { sessionUpdate: 'tool_call', toolCallId, title, kind: 'execute', status: 'pending' })
  const answer = new Promise((go) => waiting.set('ask-1', go))
  const options = [
    { optionId: 'yes', name: 'Allow once', kind: 'allow_once' },
    { optionId: 'cancel', name: 'Cancel', kind: 'reject_once' },
  ]
  const toolCall = { toolCallId, title, kind: 'execute', status: 'pending' }
  sends({ id: 'ask-1', method: 'session/request_permission', params: { sessionId, toolCall, options } })
  const { outcome } = await answer
  updates(sessionId, { sessionUpdate: 'tool_call_update', toolCallId, kind: 'execute', status: 'completed', content: [] })
  const text = `you said ${title}, and ${outcome.optionId}`
  updates(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
  return { stopReason: 'end_turn' }
}

const answers = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: {}, authMethods: [] }),
  'session/new': () => ({ sessionId: 'session-1' }),
  'session/prompt': works,
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params, result } = JSON.parse(line)
  if (!method) return waiting.get(id)?.(result)
  if (id !== undefined) sends({ id, result: (await answers[method]?.(params)) ?? {} })
})
