// `auth status` of CLIENT with credentials that were put there: `legacy` or `dataKey`.

import { home, play, server, tell } from './here.mjs'
import { Person } from './person.mjs'
import { runs } from './terminal.mjs'

const { CLIENT: name, CREDENTIALS: kind } = process.env

play(async () => {
  const person = await Person.signsUp()
  person.settlesIn(home, kind)
  const { code, shown } = await runs(name, server, 'auth', 'status')
  tell({ code, shown })
})
