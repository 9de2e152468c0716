// A program in a terminal of its own (`script` makes one), as a person has it.

import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import { home, program, until } from './here.mjs'

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`

export class Terminal {
  /** Runs a client's program with these words, at this address. */
  constructor(client, url, ...words) {
    const line = [process.execPath, '--no-warnings', '--no-deprecation', program(client), ...words].map(quoted).join(' ')
    const env = { ...process.env, HAPPY_SERVER_URL: url, TERM: 'xterm', HEADLESS: '1' }
    const sized = `stty cols 200 rows 60; exec ${line}` // a new terminal has no columns at all
    this.child = spawn('script', ['-qec', sized, '/dev/null'], { env, cwd: home, stdio: ['pipe', 'pipe', 'inherit'] })
    this.shown = ''
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.shown += stripVTControlCharacters(text)))
    this.ended = new Promise((go) => this.child.on('exit', go))
  }
  async shows(pattern) {
    let over = false
    this.ended.then(() => (over = true))
    const found = () => this.shown.match(pattern)
    await until(`the terminal shows ${pattern}`, () => found() || over).catch((error) => {
      throw new Error(`${error.message}: ${this.shown}`)
    })
    if (!found()) throw new Error(`it ended without ${pattern}: ${this.shown}`)
    return found()
  }
  types(text) {
    this.child.stdin.write(text)
  }
}

/** Runs a client's program to its end and gives back what it printed. */
export async function runs(client, url, ...words) {
  const terminal = new Terminal(client, url, ...words)
  const code = await terminal.ended
  return { code, shown: terminal.shown }
}
