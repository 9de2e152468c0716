// Every kind of message that a session client can send.

const uuid = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** Says everything that a client of either generation can say. */
export function saysEverything(client) {
  client.sendClaudeSessionMessage({ type: 'user', uuid: uuid(1), message: { role: 'user', content: 'from the terminal' } })
  client.sendClaudeSessionMessage({
    type: 'assistant',
    uuid: uuid(2),
    message: {
      role: 'assistant',
      model: 'claude-sonnet-4-20250514',
      content: [
        { type: 'text', text: 'let me look: é, 漢, 🦀' },
        { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'ls' } },
      ],
      usage: { input_tokens: 10, output_tokens: 5, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 },
    },
  })
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'a-file' }
  client.sendClaudeSessionMessage({ type: 'user', uuid: uuid(3), message: { role: 'user', content: [result] } })
  client.sendClaudeSessionMessage({ type: 'system', uuid: uuid(4) })
  client.sendClaudeSessionMessage({ type: 'summary', summary: 'a listing', leafUuid: uuid(3) })
  client.closeClaudeSessionTurn?.('completed')

  client.sendCodexMessage({ type: 'reasoning', message: 'hm' })
  client.sendCodexMessage({ type: 'message', message: 'done' })
  client.sendCodexMessage({ type: 'tool-call', callId: 'c1', name: 'CodexBash', input: { command: 'ls' }, id: uuid(5) })
  client.sendCodexMessage({ type: 'tool-call-result', callId: 'c1', output: { stdout: '' }, id: uuid(6) })
  client.sendCodexMessage({ type: 'token_count', total: 7 })

  for (const body of acp) client.sendAgentMessage('gemini', body)

  client.sendSessionEvent({ type: 'switch', mode: 'remote' })
  client.sendSessionEvent({ type: 'message', message: 'a notice' })
  client.sendSessionEvent({ type: 'permission-mode-changed', mode: 'acceptEdits' })
  client.sendSessionEvent({ type: 'ready' })

  for (const [role, ev] of client.sendSessionProtocolMessage ? envelopes : []) {
    client.sendSessionProtocolMessage({ id: uuid(7), time: 1_800_000_000_000, role, turn: 'turn1', ev })
  }
}

const acp = [
  { type: 'message', message: 'hello' },
  { type: 'reasoning', message: 'hm' },
  { type: 'thinking', text: 'hm' },
  { type: 'tool-call', callId: 'c2', name: 'edit', input: { path: 'a' }, id: uuid(8) },
  { type: 'tool-result', callId: 'c2', output: 'ok', id: uuid(9), isError: false },
  { type: 'file-edit', description: 'a change', filePath: 'a', diff: '+b', id: uuid(10) },
  { type: 'terminal-output', data: 'out', callId: 'c2' },
  { type: 'task_started', id: uuid(11) },
  { type: 'task_complete', id: uuid(11) },
  { type: 'turn_aborted', id: uuid(12) },
  { type: 'permission-request', permissionId: 'p1', toolName: 'edit', description: 'may I', options: {} },
  { type: 'token_count', total: 9 },
]

const envelopes = [
  ['agent', { t: 'turn-start' }],
  ['agent', { t: 'start', title: 'a helper' }],
  ['agent', { t: 'text', text: 'thinking', thinking: true }],
  ['agent', { t: 'service', text: 'a word of the machine' }],
  ['agent', { t: 'tool-call-start', call: 'c3', name: 'Bash', title: 'Bash', description: 'runs', args: {} }],
  ['agent', { t: 'tool-call-end', call: 'c3' }],
  ['agent', { t: 'file', ref: 'sessions/x/attachments/y.enc', name: 'a.png', size: 3, mimeType: 'image/png' }],
  ['agent', { t: 'stop' }],
  ['agent', { t: 'turn-end', status: 'completed' }],
  ['user', { t: 'text', text: 'from the terminal too' }],
]

/** A word for what a message is: `agent/acp/thinking`, `session/turn-start`. */
export function kindOf({ role, content }) {
  if (role === 'session') return `session/${content.ev.t}`
  const inner = content.data?.type
  return [role, content.type, ...(inner ? [inner] : [])].join('/')
}
