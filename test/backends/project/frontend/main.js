import { greeting } from './greeting.js'

const show = (text) => { document.querySelector('#greeting').textContent = text }

show(greeting)
const response = await fetch('/api/version')
document.querySelector('#version').textContent = (await response.json()).version

import.meta.hot?.accept('./greeting.js', (module) => show(module.greeting))
